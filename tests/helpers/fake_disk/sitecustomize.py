"""Report the number of bytes in the file FAKE_DISK_FREE as the free space of all disks, if the file exists.

Python imports this module at start-up if its folder is on PYTHONPATH.
"""

import os
import shutil
from pathlib import Path
from typing import Any

_measured = shutil.disk_usage
_TOTAL = 100 * 1024**3


def _disk_usage(path: Any) -> Any:
    file = Path(os.environ.get("FAKE_DISK_FREE", "/nowhere"))
    if not file.is_file():
        return _measured(path)
    free = int(file.read_text())
    return _measured(path)._replace(total=_TOTAL, used=_TOTAL - free, free=free)


shutil.disk_usage = _disk_usage
