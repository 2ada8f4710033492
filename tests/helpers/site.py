"""The whole product as `make run` starts it, for tests that use it from outside."""

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
from tests.helpers.processes import free_port, wait_until


@dataclass(frozen=True)
class Site:
    """Where the product and the stand-in for Clerk are, and the folder with their data."""

    app: str
    clerk: str
    port: int
    data: Path

    def clerk_api(self, method: str, path: str, facts: dict[str, Any] | None = None) -> Any:
        """Use the stand-in's JSON API, as somebody at Clerk's dashboard would."""
        body = json.dumps(facts or {}).encode()
        url = f"http://127.0.0.1:{self.port + 1}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@contextmanager
def running_site(folder: Path, **changed: str) -> Iterator[Site]:
    """Run everything in `folder`, with no settings of the tests; `changed` are variables of its environment.

    The demo people fill in nothing, unless DEMO_CONTENT says so: their profiles would change under the tests.
    """
    port, log = free_port(), folder / "run.log"
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environ |= {"PORT": str(port), "DATA_DIR": str(folder / "data"), "DEMO_CONTENT": "0", **changed}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "local.stack"]
        running = subprocess.Popen(command, cwd=BASE_DIR, env=environ, stdout=output, stderr=output)
    try:
        ready = lambda: running.poll() is not None or "Ready in" in log.read_text()  # noqa: E731
        wait_until(ready, f"nothing was ready, see {log}", 90)
        assert running.poll() is None, log.read_text()
        yield Site(f"http://bw.localhost:{port}", f"http://clerk.bw.localhost:{port + 1}", port, folder / "data")
    finally:
        running.terminate()
        running.wait(30)
