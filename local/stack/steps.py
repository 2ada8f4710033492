"""Start-up steps: check the database, migrate, collect static files, and wait for servers."""

import hashlib
import http.client
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from local.errors import SetupError
from local.project import PROJECT_ROOT
from local.stack.processes import Child, run

MIN_POSTGRES_VERSION = 15
READY_TIMEOUT_S = 60


def check_database(url: str) -> None:
    """Check that the PostgreSQL at `url` is reachable and recent enough.

    Raises:
        SetupError: the check failed.
    """
    # Check the URL first, because psycopg's error about an invalid URL may contain the password.
    if not url.startswith(("postgresql://", "postgres://")):
        raise SetupError("DATABASE_URL must name a PostgreSQL database: postgresql://user@host/name")
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            version = connection.info.server_version // 10000
    except psycopg.ProgrammingError:
        raise SetupError("DATABASE_URL is not valid; write it as postgresql://user:password@host:5432/name") from None
    except psycopg.Error as error:
        # The first line contains the reason, and the other lines contain hints.
        reason = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"The database of DATABASE_URL cannot be reached ({reason}); start it, or unset DATABASE_URL to use "
            "the embedded one."
        ) from None
    if version < MIN_POSTGRES_VERSION:
        raise SetupError(f"DATABASE_URL names PostgreSQL {version}; {MIN_POSTGRES_VERSION} or newer is needed.")


def manage(*arguments: str, environ: Mapping[str, str], log: Path) -> None:
    """Run a manage.py command and write its output to `log`.

    Raises:
        SetupError: the command failed.
    """
    log.unlink(missing_ok=True)
    if run([sys.executable, PROJECT_ROOT / "manage.py", *arguments], environ, log):
        raise SetupError(f"`manage.py {arguments[0]}` failed: {last_line(log)} (full output: {log})")


def collect_static(environ: Mapping[str, str], log: Path, digest_file: Path) -> bool:
    """Collect static files if they changed since the digest in `digest_file`, and return whether they did."""
    digest = static_digest()
    is_collected = Path(environ["STATIC_ROOT"], "staticfiles.json").exists()
    if is_collected and digest_file.exists() and digest_file.read_text() == digest:
        return False
    digest_file.unlink(missing_ok=True)
    manage("collectstatic", "--noinput", "--clear", environ=environ, log=log)
    digest_file.write_text(digest)
    return True


def static_digest() -> str:
    """Return a digest of all inputs of the static files: the project's files, settings and requirements."""
    digest = hashlib.sha256((PROJECT_ROOT / "requirements" / "base.txt").read_bytes())
    folders = [PROJECT_ROOT / "static", *PROJECT_ROOT.glob("*/static")]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    for file in (PROJECT_ROOT / "config" / "settings.py", *files):
        found = file.stat()
        digest.update(f"{file.relative_to(PROJECT_ROOT)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def wait_until_ready(child: Child, port: int, path: str) -> None:
    """Wait until the server `child` responds to `path` with status 200.

    Raises:
        SetupError: the server exited, or did not respond in time.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while (status := get_status(port, path)) != 200:
        if child.exit_code is not None:
            raise SetupError(f"{child.name} did not start: {last_line(child.log)} (full output: {child.log})")
        if time.monotonic() > deadline:
            problem = f"responds to {path} with status {status}" if status else "does not respond"
            raise SetupError(f"{child.name} {problem}; see {child.log}")
        time.sleep(0.05)


def get_status(port: int, path: str) -> int | None:
    """Return the status of a GET request to 127.0.0.1, or None. Proxies in the environment are ignored."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "there was no output"
