"""The UNIX user that runs the embedded PostgreSQL: the current user, or "nobody" if the current user is root.

PostgreSQL refuses to run as root. Other programs may also run as "nobody", so the server gets no root privileges: it
has no capabilities and an empty environment. In folders that "nobody" can change, root does not follow links.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local.errors import SetupError

#: The data folder is the server's working directory, because the server may not have access to its parent folders.
WORKING_DIRECTORY = Path("/proc/self/cwd")

_AS_NOBODY = ["setpriv", "--reuid=nobody", "--clear-groups", "--inh-caps=-all", "--no-new-privs", "--pdeathsig=INT"]


def server_uid() -> int:
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def command_prefix() -> list[str]:
    """Return a command prefix that runs a command as the server's user."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise SetupError("PostgreSQL refuses to run as root: install setpriv (Debian: apt-get install util-linux).")
    return [*_AS_NOBODY, f"--regid={pwd.getpwnam('nobody').pw_gid}"]


def can_access(permission: str, path: Path) -> bool:
    """Return whether the server's user has a permission ("r", "w" or "x") for a path."""
    command: list[str | Path] = [*command_prefix(), "test", f"-{permission}", path]
    return subprocess.run(command, check=False).returncode == 0


def current_user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise SetupError(
            f"The current user has no name; add the user id {os.geteuid()} to /etc/passwd, or set DATABASE_URL."
        ) from None


@contextmanager
def owned_folder(path: Path) -> Iterator[int]:
    """Yield a file descriptor of a private folder. The folder belongs to the current user until the block ends.

    The server's user owns it before and afterwards. In between, that user cannot add links for this process to follow.

    Raises:
        SetupError: the path is a link, or the folder belongs to another user.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        raise SetupError(f"{path} is not a folder; remove it, or set TMPDIR to another folder.") from None
    try:
        found = os.fstat(folder)
        if found.st_uid not in (os.geteuid(), server_uid()) or found.st_mode & 0o077:
            raise SetupError(f"{path} belongs to another user; remove it, or set TMPDIR to another folder.")
        os.fchown(folder, os.geteuid(), -1)
        yield folder
        os.fchown(folder, server_uid(), -1)
    finally:
        os.close(folder)


def empty(folder: int) -> None:
    """Delete everything in a folder, given as a file descriptor, without following links."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.name, dir_fd=folder)
        else:
            os.unlink(entry.name, dir_fd=folder)


def write_new(folder: int, name: str, text: str) -> None:
    """Create a file that the server's user can read, in a folder given as a file descriptor."""
    opened = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    with os.fdopen(opened, "w") as file:
        os.fchown(file.fileno(), server_uid(), -1)
        file.write(text)


def copy_for_server(sources: Iterable[Path], root: Path, target: Path) -> None:
    """Copy folders with programs, and give the copies to the server's user.

    Args:
        sources: folders below `root`.
        target: created. The copies have the same relative paths in it.
    """
    for source in sources:
        copy = target / source.relative_to(root)
        shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for path in (target, *target.rglob("*")):
        os.chown(path, server_uid(), -1, follow_symlinks=False)
