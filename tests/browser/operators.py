"""The operators' pages in a real browser: they renew themselves, keep what is open, and pass axe-core."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.looks import violations
from tests.browser.people import ADMIN, sign_in
from tests.helpers.site import Site

DASHBOARD = "/admin/webhooks/dashboard/"
#: The dashboard asks every ten seconds.
PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def timeline(chromium: Browser, site: Site) -> Iterator[str]:
    """Return the address of Omar's timeline, found as an admin would find it."""
    context = chromium.new_context()
    page = context.new_page()
    sign_in(page, site, ADMIN)
    page.goto(f"{site.app}/admin/accounts/user/?q=Omar")
    page.get_by_role("link", name="Omar Haddad").click()
    page.get_by_role("link", name="Timeline", exact=True).click()
    yield page.url.removeprefix(site.app)
    context.close()


def received(page: Page) -> int:
    return int(page.locator("tr", has_text="Received").locator("td").first.inner_text())


class TestDashboard:
    def test_it_renews_itself_and_leaves_alone_what_somebody_does(
        self, admin: Page, site: Site, complaints: list[str]
    ) -> None:
        admin.goto(site.app + DASHBOARD)
        before = received(admin)
        admin.get_by_text("Show as table").click()
        admin.evaluate("window.sentence = document.querySelector('.status-summary')")
        site.clerk_api("POST", "/local/users", {"first_name": "Rene", "last_name": "Wed"})
        expect(admin.locator("tr", has_text="Received").locator("td").first).not_to_have_text(
            str(before), timeout=PATIENCE_MS
        )
        assert received(admin) > before
        expect(admin.locator("#columns-table")).to_have_attribute("open", "")
        assert admin.evaluate("document.activeElement.id") == "columns-summary"
        # What has not changed is not announced again.
        assert admin.evaluate("window.sentence.isConnected") is True
        assert complaints == []

    def test_it_rests_while_nobody_looks(self, admin: Page, site: Site) -> None:
        admin.goto(site.app + DASHBOARD)
        asked: list[str] = []
        admin.on("request", lambda request: asked.append(request.url))
        hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true })"
        admin.evaluate(hide % "true")
        admin.evaluate("htmx.trigger('#live', 'refresh')")
        admin.wait_for_timeout(500)
        assert [url for url in asked if DASHBOARD in url] == []
        admin.evaluate(hide % "false")
        with admin.expect_response(lambda response: DASHBOARD in response.url):
            admin.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def test_whoever_loses_the_role_is_moved_to_the_login_page(
        self, context: BrowserContext, page: Page, site: Site
    ) -> None:
        user = site.clerk_api("POST", "/local/users", {"first_name": "Short", "last_name": "Lived", "roles": ["ADMIN"]})
        page.goto(f"{site.app}/sign-in/")
        page.get_by_role("button", name="Short Lived").click()
        page.wait_for_url(f"{site.app}/account/")
        page.goto(site.app + DASHBOARD)
        expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
        site.clerk_api("PATCH", f"/local/users/{user['id']}", {"roles": []})
        page.wait_for_url("**/admin/login/**", timeout=PATIENCE_MS)

    def test_it_works_without_scripts(self, chromium: Browser, admin: Page, site: Site) -> None:
        cookies: list[Any] = admin.context.cookies()
        context = chromium.new_context(java_script_enabled=False)
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto(site.app + DASHBOARD)
        page.get_by_role("link", name="30 days").click()
        expect(page.get_by_role("heading", name="Events by day and type")).to_be_visible()
        context.close()


class TestAccessibility:
    def test_the_dashboard(self, admin: Page, site: Site, axe: str) -> None:
        admin.goto(site.app + DASHBOARD)
        admin.get_by_text("Show as table").click()
        assert violations(admin, axe) == []

    def test_the_timeline(self, admin: Page, site: Site, axe: str, timeline: str, complaints: list[str]) -> None:
        for query in ("", "?at=2099-01-01T00:00"):
            admin.goto(site.app + timeline + query)
            assert violations(admin, axe) == []
        assert complaints == []

    def test_an_event(self, admin: Page, site: Site, axe: str, timeline: str, complaints: list[str]) -> None:
        admin.goto(site.app + timeline)
        admin.get_by_role("link", name="user.created").first.click()
        # Demo people change while they sign up, so that the change may come first.
        expect(admin.locator(".status-summary")).to_contain_text(re.compile(r"Processed\.|Stale\."))
        expect(admin.locator(".tree")).to_contain_text("text, hidden")
        assert violations(admin, axe) == []
        assert complaints == []
