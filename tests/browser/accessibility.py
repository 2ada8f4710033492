"""Run axe-core on every page, on a phone, a tablet and a desktop, in both colour schemes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.axe import violations
from tests.browser.steps import sign_in
from tests.helpers.servers.site import Site

PUBLIC = ("/", "/builders/", "/builders/missing-page/", "/sign-in/", "/sign-up/", "/privacy/", "/api/docs/")
BUILDER_PAGE = "/builders/omar-haddad/"


@pytest.fixture(scope="module")
def visitor(chromium: Browser) -> Iterator[Page]:
    yield from open_tab(chromium)


@pytest.fixture(scope="module")
def owner(chromium: Browser, site: Site) -> Iterator[Page]:
    for page in open_tab(chromium):
        sign_in(page, site, "Omar Haddad")
        yield page


@pytest.fixture(scope="module")
def admin(chromium: Browser, site: Site) -> Iterator[Page]:
    for page in open_tab(chromium):
        sign_in(page, site, "Ngozi Adébáyọ̀")
        yield page


def open_tab(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(reduced_motion="reduce")
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", (*PUBLIC, BUILDER_PAGE))
def test_pages_for_visitors(visitor: Page, site: Site, axe: str, path: str) -> None:
    visitor.goto(site.app + path)
    assert violations(visitor, axe) == []


@pytest.mark.parametrize(
    "path",
    (
        *("/account/", "/account/security/", "/account/roles/", "/account/roles/stop/builder/", "/account/delete/"),
        *("/welcome/", "/welcome/builder/", "/welcome/picture/", "/welcome/project/"),
        *("/welcome/client/", "/welcome/preview/"),
        *(BUILDER_PAGE, f"{BUILDER_PAGE}?as=visitor", f"{BUILDER_PAGE}edit/terms/", f"{BUILDER_PAGE}delete/"),
        *(
            f"{BUILDER_PAGE}organizations/",
            f"{BUILDER_PAGE}reviews/",
            "/account/notifications/",
            "/account/notifications/unsubscribe/wrong/",
        ),
    ),
)
def test_pages_for_owners(owner: Page, site: Site, axe: str, path: str) -> None:
    owner.goto(site.app + path)
    assert violations(owner, axe) == []


@pytest.mark.parametrize("path", ("", "contact/", "verify/", "badges/", "badges/code/", "record/", "hide/", "delete/"))
def test_pages_for_admins(admin: Page, site: Site, axe: str, path: str) -> None:
    admin.goto(f"{site.app}{BUILDER_PAGE}{path}")
    assert violations(admin, axe) == []
