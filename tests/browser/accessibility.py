"""Every page under axe-core: no violation on a telephone, a tablet and a desktop, light and dark."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import bundle
from tests.browser.people import sign_in
from tests.helpers.site import Site

SIZES = ((360, 740), (768, 1024), (1280, 800))
SCHEMES: tuple[Any, ...] = ("light", "dark")
PUBLIC = ("/", "/builders/", "/builders/nobody-at-all/", "/sign-in/", "/api/docs/")
BUILDERS = "/builders/omar-haddad/"


@pytest.fixture(scope="module")
def axe() -> str:
    return bundle("axe-core", "axe.min.js").read_text()


@pytest.fixture(scope="module")
def visitor(chromium: Browser) -> Iterator[Page]:
    yield from _tab(chromium)


@pytest.fixture(scope="module")
def owner(chromium: Browser, site: Site) -> Iterator[Page]:
    for page in _tab(chromium):
        sign_in(page, site, "Omar Haddad")
        yield page


@pytest.fixture(scope="module")
def admin(chromium: Browser, site: Site) -> Iterator[Page]:
    for page in _tab(chromium):
        sign_in(page, site, "Ngozi Adébáyọ̀")
        yield page


def _tab(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(reduced_motion="reduce")
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def violations(page: Page, axe: str, sizes: tuple[tuple[int, int], ...] = SIZES) -> list[str]:
    """Return what axe finds on the page as it stands, in each size and colour scheme."""
    found = []
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.evaluate(axe)
            for each in page.evaluate("axe.run()")["violations"]:
                places = "; ".join(str(node["target"]) + " " + node["failureSummary"] for node in each["nodes"][:3])
                found.append(f"{page.url} {width} {scheme}: {each['id']} {places}")
    return found


@pytest.mark.parametrize("path", (*PUBLIC, BUILDERS))
def test_visitors_pages(visitor: Page, site: Site, axe: str, path: str) -> None:
    visitor.goto(site.app + path)
    assert violations(visitor, axe) == []


@pytest.mark.parametrize(
    "path",
    (
        *("/account/", "/account/roles/", "/account/roles/stop/builder/", "/account/delete/"),
        *("/welcome/", "/welcome/builder/", "/welcome/client/", "/welcome/preview/"),
        *(BUILDERS, f"{BUILDERS}?as=visitor", f"{BUILDERS}edit/terms/", f"{BUILDERS}delete/"),
    ),
)
def test_owners_pages(owner: Page, site: Site, axe: str, path: str) -> None:
    owner.goto(site.app + path)
    assert violations(owner, axe) == []


@pytest.mark.parametrize("path", ("", "contact/", "verify/", "badges/", "badges/code/", "record/", "hide/", "delete/"))
def test_admins_pages(admin: Page, site: Site, axe: str, path: str) -> None:
    admin.goto(f"{site.app}{BUILDERS}{path}")
    assert violations(admin, axe) == []
