"""Folders and locks, with errors a person can act on."""

import fcntl
import os
from pathlib import Path
from typing import IO

from local.stack.errors import SetupError

#: PostgreSQL truncates paths at 1024 bytes (its MAXPGPATH) and puts names of its own below the folder.
LONGEST_PATH_BYTES = 900


def make_folder(folder: Path, mode: int = 0o700) -> Path:
    """Create `folder` and its parents as needed and return its absolute path.

    Raises:
        SetupError: it cannot be created or written to, or its path is too long.
    """
    folder = folder.absolute()
    if len(bytes(folder)) > LONGEST_PATH_BYTES:
        raise SetupError(f"The path of DATA_DIR is longer than {LONGEST_PATH_BYTES} bytes; choose a shorter one.")
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(f"Nothing can be written to {folder} ({error.strerror}); choose another DATA_DIR.") from None
    return folder.resolve()


def hold_lock(path: Path, otherwise: str = "") -> IO[str]:
    """Lock the file `path` for as long as the returned file is open. The system lets go when the process dies.

    Args:
        path: of the file; made if missing, and left there.
        otherwise: what to say if another process holds it; that the folder of `path` is in use, if nothing is given.

    Raises:
        SetupError: another process holds it, or the file belongs to somebody else.
    """
    try:
        # In a folder for everybody a link could lead to any file of ours.
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")
    except OSError as error:
        raise SetupError(f"{path} cannot be locked ({error.strerror}); remove it and start again.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        in_use = f"Another copy is running on {path.parent}; stop it, or choose another DATA_DIR."
        raise SetupError(otherwise or in_use) from None
    return file
