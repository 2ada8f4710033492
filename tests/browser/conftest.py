"""Fixtures for browser tests: the whole product as started by `make run`, and Chromium.

The modules are not named test_*, because they need Chromium, which `make test` does not require. `make browser-test` runs them.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, Playwright, expect, sync_playwright

from tests.helpers.servers.site import Site, prepared_data, running_site

#: Lifetime of a session token (sixty seconds in Clerk), and the tolerated clock skew.
TOKEN_LIFETIME_S, CLOCK_SKEW_S = 2, 5
#: Timeout of each step. It is long, because many tests share a machine.
TIMEOUT_MS = 15_000
EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")

# Playwright runs an event loop in this thread, and Django rejects queries next to an event loop. The visual regression test needs both.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product with its own database, which contains only the demo users, for each module."""
    folder, lifetime = tmp_path_factory.mktemp("browser"), str(TOKEN_LIFETIME_S)
    with running_site(folder, prepared_data(), LOCALCLERK_TOKEN_LIFE_S=lifetime) as site:
        yield site


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Start Playwright once for each process, because it cannot be started twice."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = launch(playwright.chromium)
    yield browser
    browser.close()


def launch(chromium: BrowserType, *flags: str, **options: Any) -> Browser:
    """Start the installed Chromium. If it is missing, tests fail rather than being skipped."""
    path = next(filter(None, map(shutil.which, EXECUTABLES)), None)
    assert path, "Chromium was not found; on Debian: apt-get install chromium"
    sandbox = [] if os.getuid() else ["--no-sandbox"]
    return chromium.launch(executable_path=path, args=[*sandbox, *flags], **options)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Return a new browser context."""
    context = chromium.new_context()
    context.set_default_timeout(TIMEOUT_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def console_errors(context: BrowserContext) -> list[str]:
    """Collect console errors, such as violations of the content security policy, and uncaught exceptions."""
    collected: list[str] = []
    context.on("console", lambda message: collected.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: collected.append(str(error.error)))
    return collected


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core."""
    return npm_file("axe-core", "axe.min.js").read_text()


@pytest.fixture
def admin(page: Page, site: Site) -> Page:
    """Return a page that is signed in as an admin."""
    # tests.browser.steps imports this module.
    from tests.browser.steps import ADMIN, sign_in

    sign_in(page, site, ADMIN)
    return page


def npm_file(package: str, name: str) -> Path:
    """Return a file of an npm package that `make browser-test` has downloaded."""
    found = list((Path(__file__).parent / "node_modules").glob(f"{package}@*/{name}"))
    assert found, f"{name} of {package} is missing; run `make browser-test`"
    return found[-1]
