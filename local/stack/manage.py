"""Run a manage.py command against a running `make run`: `python -m local.stack.manage check_alerts`.

`make manage` calls this module. manage.py itself reads its settings only from the environment, as in production.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from local.errors import SetupError
from local.project import PROJECT_ROOT
from local.stack import environment
from local.stack.ports import read_port
from local.stack.postgres import EmbeddedPostgres


def main(arguments: Sequence[str]) -> NoReturn:
    """Replace this process with manage.py, configured for the running copy with this PORT and DATA_DIR."""
    try:
        environ = environment_of_running_copy(os.environ)
    except SetupError as error:
        sys.exit(f"make manage: {error}")
    os.execve(sys.executable, [sys.executable, str(PROJECT_ROOT / "manage.py"), *arguments], environ)  # noqa: S606  # no shell


def environment_of_running_copy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of the running copy.

    Raises:
        SetupError: no copy is running.
    """
    folder = environment.read_data_dir(environ).resolve()
    postgres = EmbeddedPostgres(folder)
    is_running = environ.get("DATABASE_URL", "").strip() or postgres.sockets.exists()
    if not is_running or not (folder / "local.env").exists():
        raise SetupError(f"No copy is running with the data in {folder}; start `make run` first, or set its DATA_DIR.")
    return {"DATABASE_URL": postgres.url, **environment.build(environ, folder, read_port(environ))}


if __name__ == "__main__":
    main(sys.argv[1:])
