"""The steps of a start that come to an end: checking the database, migrating, collecting static files, waiting."""

import hashlib
import http.client
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from django.core.exceptions import ImproperlyConfigured

from config.environment import BASE_DIR, database
from local.stack.errors import SetupError
from local.stack.processes import Child, run

OLDEST_POSTGRES = 15
#: Seconds within which a server that was just started must answer.
READY_PATIENCE_S = 60


def check_database(url: str) -> None:
    """Check that the PostgreSQL at `url` can be reached and is new enough.

    Raises:
        SetupError: it cannot, or is not.
    """
    try:
        config = database(url, pool_size=1)
        with psycopg.connect(
            host=config["HOST"],
            port=config["PORT"] or None,
            user=config["USER"] or None,
            password=config["PASSWORD"] or None,
            dbname=config["NAME"],
            connect_timeout=3,
        ) as connection:
            version = connection.info.server_version // 10000
    except ImproperlyConfigured as error:
        raise SetupError(str(error)) from None
    except psycopg.Error as error:
        # The first line says what failed, the others what one might ask oneself.
        reason = str(error).strip().partition("\n")[0]
        raise SetupError(
            f"The database of DATABASE_URL cannot be reached ({reason}); start it, or unset DATABASE_URL to use "
            "the embedded one."
        ) from None
    if version < OLDEST_POSTGRES:
        raise SetupError(f"DATABASE_URL names PostgreSQL {version}; {OLDEST_POSTGRES} or newer is needed.")


def manage(*arguments: str, environ: Mapping[str, str], log: Path) -> None:
    """Run a command of manage.py to its end, its output going to `log`.

    Raises:
        SetupError: it failed.
    """
    log.unlink(missing_ok=True)
    if run([sys.executable, BASE_DIR / "manage.py", *arguments], environ, log):
        raise SetupError(f"`manage.py {arguments[0]}` failed: {last_line(log)} (all of it is in {log})")


def collect_static(environ: Mapping[str, str], log: Path, mark: Path) -> bool:
    """Collect static files unless nothing changed since the digest in the file `mark`; return whether it did."""
    digest = static_digest()
    collected = Path(environ["STATIC_ROOT"], "staticfiles.json").exists()
    if collected and mark.exists() and mark.read_text() == digest:
        return False
    mark.unlink(missing_ok=True)
    manage("collectstatic", "--noinput", "--clear", environ=environ, log=log)
    mark.write_text(digest)
    return True


def static_digest() -> str:
    """Return a digest of all that static files are made from: our folders, the settings, and what is installed."""
    digest = hashlib.sha256((BASE_DIR / "requirements" / "base.txt").read_bytes())
    folders = [BASE_DIR / "static", *BASE_DIR.glob("*/static")]
    files = sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())
    for file in (BASE_DIR / "config" / "settings.py", *files):
        found = file.stat()
        digest.update(f"{file.relative_to(BASE_DIR)} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def wait_until_ready(child: Child, port: int, path: str) -> None:
    """Wait until the server `child` answers 200 at `path`.

    Raises:
        SetupError: it ended, or did not answer in time.
    """
    patience = time.monotonic() + READY_PATIENCE_S
    while (status := answer(port, path)) != 200:
        if child.exit_code is not None:
            raise SetupError(f"{child.name} did not start: {last_line(child.log)} (all of it is in {child.log})")
        if time.monotonic() > patience:
            said = f"answers {status} at {path}" if status else "does not answer"
            raise SetupError(f"{child.name} {said}; see {child.log}")
        time.sleep(0.05)


def answer(port: int, path: str) -> int | None:
    """Return the status with which 127.0.0.1 answers a GET, or None. Proxies of the environment are not asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, for an error that is one sentence."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
