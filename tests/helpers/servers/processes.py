"""Processes of the product, configured as in production."""

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from config.environment import BASE_DIR

TIMEOUT_S = 30
#: The configuration of servers that share the database with other tests.
WITHOUT_ALERT_THREAD = "tests/helpers/servers/gunicorn.py"


@contextmanager
def gunicorn(
    database_url: str, log: Path, *, workers: int = 3, configuration: str = "config/gunicorn.py", **environ: str
) -> Iterator[str]:
    """Run gunicorn on a free port, or on PORT, and yield its base URL."""
    port = int(environ.pop("PORT", 0)) or free_port()
    command = ["-m", "gunicorn", "-c", configuration, "config.wsgi"]
    with process(command, database_url, log, PORT=str(port), WEB_CONCURRENCY=str(workers), **environ) as running:
        wait_until(lambda: running.poll() is not None or _responds(port), f"gunicorn did not start, see {log}")
        assert running.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"


@contextmanager
def process(arguments: list[str], database_url: str, log: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with `arguments` and the test settings until the block ends."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": database_url} | environ
    with log.open("ab") as output:
        running = subprocess.Popen(
            [sys.executable, *arguments], cwd=BASE_DIR, env=environment, stdout=output, stderr=output
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.kill()
            raise


def wait_until(condition: Callable[[], object], message: str, timeout_s: float = TIMEOUT_S) -> None:
    """Poll `condition`, and fail with `message` after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(message)
        time.sleep(0.05)


def free_port() -> int:
    """Return a free even port. The next one is also free, for the stand-in for Clerk.

    Ephemeral ports are excluded, because a browser's outgoing connection could use one before the server starts.
    """
    while True:
        port = 20_000 + 2 * secrets.randbelow(6_000)
        if _is_free(port) and _is_free(port + 1):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _responds(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
