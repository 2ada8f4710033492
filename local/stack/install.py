"""Make .venv and install pinned requirements into it, if that is not done yet: install.py requirements/local.txt

Runs with whatever Python `make` found, before anything is installed, so it uses the standard library only.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VENV = BASE_DIR / ".venv"
#: Holds a digest of each requirements file that is installed.
MARK = VENV / "installed.txt"
#: What installing one file brings along.
INCLUDED = {"local.txt": ("local.txt",), "dev.txt": ("dev.txt", "local.txt")}


def main(name: str) -> int:
    """Install requirements/<name>, one copy of this at a time; return the exit code."""
    with (BASE_DIR / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = digest(name)
        if wanted in installed():
            return 0
        make_venv()
        print(f"Installing {name.removesuffix('.txt')} requirements; the first time takes a minute", flush=True)
        # Unhurried pip prints each package as it comes, which is the progress; --require-hashes refuses any other file.
        command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
        done = subprocess.run(
            [*command, "-r", str(BASE_DIR / "requirements" / name)],
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            check=False,
        )
        if done.returncode:
            print(f"make: pip could not install requirements/{name}; its reason is above.", file=sys.stderr)
            return 1
        with MARK.open("a") as mark:
            mark.writelines(f"{digest(each)}\n" for each in INCLUDED[name])
    return 0


def digest(name: str) -> str:
    """Return what stands for an installed requirements file: its name and its content."""
    content = (BASE_DIR / "requirements" / name).read_bytes()
    return f"{name} {hashlib.sha256(content).hexdigest()}"


def installed() -> set[str]:
    """Return the digests of what .venv holds; nothing if it is missing or its Python does not run any more."""
    with contextlib.suppress(OSError):
        subprocess.run([VENV / "bin" / "python", "-c", ""], check=True, capture_output=True)
        return set(MARK.read_text().splitlines())
    return set()


def make_venv() -> None:
    """Make .venv anew, unless there is a working one to add to."""
    if installed():
        return
    with progress(f"Making .venv with Python {sys.version.split()[0]}"):
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True)


@contextlib.contextmanager
def progress(text: str) -> Iterator[None]:
    print(text, end=" … ", flush=True)
    yield
    print("done", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"make: .venv could not be made: {error}")
