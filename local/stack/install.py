"""Create .venv and install pinned requirements if they are missing: install.py requirements/local.txt

It runs with the Python that `make` found, before anything is installed, so it uses only the standard library.
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

# This cannot be imported from local.project, because `python -I` excludes the project from the import path.
PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
VENV = PROJECT_ROOT / ".venv"
#: Contains a digest of each installed requirements file.
INSTALLED = VENV / "installed.txt"
#: Requirements files that each file includes.
INCLUDES = {"local.txt": ("local.txt",), "dev.txt": ("dev.txt", "local.txt")}


def main(name: str) -> int:
    """Install requirements/<name> and return the exit code. Concurrent calls wait for each other."""
    with (PROJECT_ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if digest(name) in installed():
            return 0
        make_venv()
        print(f"Installing {name.removesuffix('.txt')} requirements; the first time takes a minute", flush=True)
        # Without --quiet, pip lists each package, which serves as progress. --require-hashes rejects any other file.
        command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes"]
        done = subprocess.run(
            [*command, "-r", str(PROJECT_ROOT / "requirements" / name)],
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            check=False,
        )
        if done.returncode:
            print(f"make: pip could not install requirements/{name}; see its error above.", file=sys.stderr)
            return 1
        with INSTALLED.open("a") as file:
            file.writelines(f"{digest(included)}\n" for included in INCLUDES[name])
    return 0


def digest(name: str) -> str:
    content = (PROJECT_ROOT / "requirements" / name).read_bytes()
    return f"{name} {hashlib.sha256(content).hexdigest()}"


def installed() -> set[str]:
    """Return the digests recorded in .venv, or an empty set if .venv is missing or its Python no longer runs."""
    with contextlib.suppress(OSError):
        subprocess.run([VENV / "bin" / "python", "-c", ""], check=True, capture_output=True)
        return set(INSTALLED.read_text().splitlines())
    return set()


def make_venv() -> None:
    if installed():
        return
    with progress(f"Creating .venv with Python {sys.version.split()[0]}"):
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
        sys.exit(f"make: .venv could not be created: {error}")
