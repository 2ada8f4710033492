"""Folders and lock files."""

import fcntl
import os
from pathlib import Path
from typing import IO

from local.errors import SetupError

#: PostgreSQL truncates paths at 1024 bytes (MAXPGPATH), and appends file names to the folder's path.
MAX_PATH_BYTES = 900


def make_folder(folder: Path, mode: int = 0o700) -> Path:
    """Create `folder` and its parents if needed, and return its absolute path.

    Raises:
        SetupError: the folder is not writable, or its path is too long.
    """
    folder = folder.absolute()
    if len(bytes(folder)) > MAX_PATH_BYTES:
        raise SetupError(f"The path of DATA_DIR is longer than {MAX_PATH_BYTES} bytes; choose a shorter one.")
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SetupError(f"{folder} is not writable ({error.strerror}); choose another DATA_DIR.") from None
    return folder.resolve()


def acquire_lock(path: Path, error_message: str = "") -> IO[str]:
    """Lock the file `path` until the returned file is closed. The system releases the lock if the process dies.

    Args:
        path: the file, which is created if missing and not deleted afterwards.
        error_message: for the error if another process holds the lock. By default it says that the folder is in use.

    Raises:
        SetupError: another process holds the lock, or the file belongs to another user.
    """
    try:
        # In a world-writable folder, another user could create a symbolic link to any of this user's files.
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")
    except OSError as error:
        raise SetupError(f"{path} cannot be locked ({error.strerror}); remove it and start again.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        in_use = f"Another copy is running on {path.parent}; stop it, or choose another DATA_DIR."
        raise SetupError(error_message or in_use) from None
    return file
