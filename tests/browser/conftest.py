"""The whole product as `make run` starts it, and Chromium to use it with."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from config.environment import BASE_DIR
from tests.helpers.processes import free_port, wait_until

#: Seconds a token lives here, instead of sixty. It is believed for five more, because clocks differ.
TOKEN_LIFE_S, SKEW_S = 2, 5
NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Site:
    """Where the product and the stand-in for Clerk are."""

    app: str
    clerk: str
    port: int

    def clerk_api(self, method: str, path: str, facts: dict[str, Any] | None = None) -> Any:
        """Use the stand-in's JSON API, as somebody at Clerk's dashboard would."""
        body = json.dumps(facts or {}).encode()
        url = f"http://127.0.0.1:{self.port + 1}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run everything in a folder of its own."""
    folder, port = tmp_path_factory.mktemp("browser"), free_port()
    changed = {"PORT": str(port), "DATA_DIR": str(folder / "data"), "LOCALCLERK_TOKEN_LIFE_S": str(TOKEN_LIFE_S)}
    environ = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    }  # no settings of tests
    log = folder / "run.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "config.local"]
        running = subprocess.Popen(command, cwd=BASE_DIR, env=environ | changed, stdout=output, stderr=output)
    try:
        ready = lambda: running.poll() is not None or "Ready in" in log.read_text()  # noqa: E731
        wait_until(ready, f"nothing was ready, see {log}", 90)
        assert running.poll() is None, log.read_text()
        yield Site(f"http://bw.localhost:{port}", f"http://clerk.bw.localhost:{port + 1}", port)
    finally:
        running.terminate()
        running.wait(30)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium. Without it the tests fail: nothing is skipped."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, "Chromium was not found; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        sandbox = [] if os.getuid() else ["--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Return a browser that has never been anywhere."""
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """Return a tab of it."""
    return context.new_page()


@pytest.fixture
def complaints(context: BrowserContext) -> list[str]:
    """Collect what the policies of our pages refuse, and what goes wrong in our scripts."""
    collected: list[str] = []
    context.on("console", lambda message: collected.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: collected.append(str(error.error)))
    return collected


def bundle(package: str, name: str) -> Path:
    """Return a script of an npm package of Clerk's, which `make browser-test` fetched."""
    found = list((Path(__file__).parent / "node_modules").glob(f"{package}@*/dist/{name}"))
    assert found, f"{name} of @clerk/{package} is missing; run `make browser-test`"
    return found[-1]
