"""A command of manage.py against what `make run` runs: `python -m local.stack.manage check_alerts`.

`make manage` calls it. manage.py itself knows settings from its environment only, as in production.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from config.environment import BASE_DIR
from local.stack import environment
from local.stack.errors import SetupError
from local.stack.ports import read_port
from local.stack.postgres import EmbeddedPostgres


def main(arguments: Sequence[str]) -> NoReturn:
    """Become manage.py, with the settings of the copy that PORT and DATA_DIR name."""
    try:
        settings = running(os.environ)
    except SetupError as error:
        sys.exit(f"make manage: {error}")
    os.execve(sys.executable, [sys.executable, str(BASE_DIR / "manage.py"), *arguments], settings)  # noqa: S606  # no shell


def running(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a copy that runs.

    Raises:
        SetupError: it does not run.
    """
    folder = environment.read_data_dir(environ).resolve()
    postgres = EmbeddedPostgres(folder)
    is_there = environ.get("DATABASE_URL", "").strip() or postgres.sockets.exists()
    if not is_there or not (folder / "local.env").exists():
        raise SetupError(f"Nothing runs with the data in {folder}; start `make run` first, or set its DATA_DIR.")
    return {"DATABASE_URL": postgres.url, **environment.build(environ, folder, read_port(environ))}


if __name__ == "__main__":
    main(sys.argv[1:])
