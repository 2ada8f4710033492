"""The whole product as started by `make run`, for end-to-end tests."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.environment import BASE_DIR
from tests.helpers.servers.processes import free_port, wait_until


@dataclass(frozen=True)
class Site:
    """URLs of the product and of the stand-in for Clerk, and their data folder."""

    app: str
    clerk: str
    port: int
    data: Path

    def clerk_api(self, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
        """Call the stand-in's JSON API."""
        body = json.dumps(data or {}).encode()
        url = f"http://127.0.0.1:{self.port + 1}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@contextmanager
def running_site(folder: Path, **environ_changes: str) -> Iterator[Site]:
    """Run the product in `folder`, without the test settings. Keyword arguments set environment variables.

    Demo profiles stay empty unless DEMO_CONTENT is set, because they would change during the tests.
    """
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
        yield Site(f"http://bw.localhost:{port}", f"http://clerk.bw.localhost:{port + 1}", port, folder / "data")
    finally:
        running.terminate()
        running.wait(30)
