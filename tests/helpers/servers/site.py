"""The whole product as started by `make run`, for end-to-end tests."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from config.environment import BASE_DIR
from local.demo.fill_profiles import read_progress
from tests.helpers.servers.processes import free_port, wait_until

#: An environment variable with a running site in JSON, which journeys use instead of starting one.
RUNNING_SITE = "RUNNING_SITE"


@dataclass(frozen=True)
class Site:
    """A running product.

    Attributes:
        app, clerk: the origins of the product and of the stand-in for Clerk.
        port, clerk_port: their ports on 127.0.0.1, without TLS.
        data: the data folder, which contains the sent emails in `mail`.
    """

    app: str
    clerk: str
    port: int
    clerk_port: int
    data: Path

    def clerk_api(self, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
        """Call the stand-in's JSON API."""
        body = json.dumps(data or {}).encode()
        url = f"http://127.0.0.1:{self.clerk_port}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@cache
def prepared_data(*, demo_content: bool = False) -> Path:
    """Run the product once in each process, and return its data: a migrated database, static files and demo users.

    Starting with a copy takes half of the CPU time of a start with an empty folder.

    Args:
        demo_content: wait until the demo profiles are filled in.
    """
    folder = Path(tempfile.mkdtemp(prefix="buildappswith-prepared-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user if the tests run as root
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with running_site(folder, DEMO_CONTENT=str(int(demo_content))) as site:
        if demo_content:
            is_filled = lambda: read_progress(site.data).is_complete  # noqa: E731
            wait_until(is_filled, f"the demo profiles were not filled in, see {site.data}", 300)
        wait_until(lambda: _has_delivered(site), f"webhooks were not delivered, see {site.data}", 120)
    return site.data


def _has_delivered(site: Site) -> bool:
    """Return whether the stand-in has delivered its latest webhooks. Interrupted deliveries are retried much later."""
    deliveries = site.clerk_api("GET", "/local/deliveries")
    return bool(deliveries) and all(delivery["state"] == "delivered" for delivery in deliveries)


@contextmanager
def running_site(folder: Path, data: Path | None = None, **environ_changes: str) -> Iterator[Site]:
    """Run the product in `folder`, without the test settings. Keyword arguments set environment variables.

    Demo profiles stay empty unless DEMO_CONTENT is set, because they would change during the tests.

    Args:
        data: copied before the start, see `prepared_data`.
    """
    if data is not None:
        subprocess.run(["cp", "-a", data, folder / "data"], check=True)  # shutil.copytree does not keep the owner
    port, log = free_port(), folder / "run.log"
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {"PORT": str(port), "DATA_DIR": str(folder / "data"), "DEMO_CONTENT": "0", **environ_changes}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "local.stack"]
        running = subprocess.Popen(command, cwd=BASE_DIR, env=environ, stdout=output, stderr=output)
    try:
        ready = lambda: running.poll() is not None or "Ready in" in log.read_text()  # noqa: E731
        wait_until(ready, f"the site did not become ready, see {log}", 90)
        assert running.poll() is None, log.read_text()
        app, clerk = f"http://bw.localhost:{port}", f"http://clerk.bw.localhost:{port + 1}"
        yield Site(app, clerk, port, port + 1, folder / "data")
    finally:
        running.terminate()
        running.wait(30)
