"""The whole product as `make run` starts it, and Chromium to use it with."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.helpers.site import Site, running_site

#: Seconds a token lives here, instead of sixty. It is believed for five more, because clocks differ.
TOKEN_LIFE_S, SKEW_S = 2, 5
#: Milliseconds that everything may take where many tests share a machine.
PATIENCE_MS = 15_000
NAMES = ("chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run everything in a folder of its own, anew for each file of tests."""
    with running_site(tmp_path_factory.mktemp("browser"), LOCALCLERK_TOKEN_LIFE_S=str(TOKEN_LIFE_S)) as site:
        yield site


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
    context.set_default_timeout(PATIENCE_MS)
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


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the script of axe-core."""
    return bundle("axe-core", "axe.min.js").read_text()


@pytest.fixture
def admin(page: Page, site: Site) -> Page:
    """Return a tab of an operator."""
    # Imported here, because that module needs how long a token lives.
    from tests.browser.people import ADMIN, sign_in

    sign_in(page, site, ADMIN)
    return page


def bundle(package: str, name: str) -> Path:
    """Return a file of an npm package, which `make browser-test` fetched."""
    found = list((Path(__file__).parent / "node_modules").glob(f"{package}@*/{name}"))
    assert found, f"{name} of {package} is missing; run `make browser-test`"
    return found[-1]
