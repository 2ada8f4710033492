"""Automatic refresh and accessibility of the operators' pages."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.axe import admin_violations
from tests.browser.steps import ADMIN, sign_in
from tests.helpers.servers.site import Site

DASHBOARD = "/admin/webhooks/dashboard/"
#: The dashboard is refreshed every ten seconds.
TIMEOUT_MS = 15_000


@pytest.fixture(scope="module")
def timeline(chromium: Browser, site: Site) -> Iterator[str]:
    """Return the path of Omar's timeline, by following links in the admin."""
    context = chromium.new_context()
    page = context.new_page()
    sign_in(page, site, ADMIN)
    page.goto(f"{site.app}/admin/accounts/user/?q=Omar")
    page.get_by_role("link", name="Omar Haddad").click()
    page.get_by_role("link", name="Timeline", exact=True).click()
    yield page.url.removeprefix(site.app)
    context.close()


def received_count(page: Page) -> int:
    return int(page.locator("tr", has_text="Received").locator("td").first.inner_text())


def is_kept_while_unchanged(page: Page, selector: str) -> bool:
    """Return whether a refresh keeps an unchanged element, so that screen readers do not announce it again."""
    before, after = "", page.locator(selector).inner_text()
    while after != before:  # another process may change the status meanwhile
        before, as_of = after, page.locator(".as-of").inner_text()
        page.evaluate("selector => { window.kept = document.querySelector(selector) }", selector)
        expect(page.locator(".as-of")).not_to_have_text(as_of, timeout=TIMEOUT_MS)
        after = page.locator(selector).inner_text()
    return bool(page.evaluate("window.kept.isConnected"))


class TestDashboard:
    def test_refresh_keeps_focus_and_open_details(self, admin: Page, site: Site, console_errors: list[str]) -> None:
        admin.goto(site.app + DASHBOARD)
        before = received_count(admin)
        admin.get_by_text("Show as table").click()
        site.clerk_api("POST", "/local/users", {"first_name": "Rene", "last_name": "Wed"})
        expect(admin.locator("tr", has_text="Received").locator("td").first).not_to_have_text(
            str(before), timeout=TIMEOUT_MS
        )
        assert received_count(admin) > before
        expect(admin.locator("#columns-table")).to_have_attribute("open", "")
        assert admin.evaluate("document.activeElement.id") == "columns-summary"
        assert is_kept_while_unchanged(admin, ".status-summary")
        assert console_errors == []

    def test_chart_shows_values_of_the_column_chosen_with_the_keyboard(self, admin: Page, site: Site) -> None:
        admin.goto(site.app + DASHBOARD)
        admin.get_by_role("link", name="30 days").focus()
        admin.keyboard.press("Tab")
        last = admin.locator("#column-24")
        expect(last).to_be_focused()
        expect(last.locator(".tip")).to_have_css("opacity", "1")
        admin.keyboard.press("ArrowLeft")
        expect(last.locator(".tip")).to_have_css("opacity", "0")
        expect(admin.locator("#column-23 .tip")).to_have_css("opacity", "1")
        admin.keyboard.press("Tab")
        expect(admin.locator(".legend a").first).to_be_focused()

    def test_hidden_page_is_not_refreshed(self, admin: Page, site: Site) -> None:
        admin.goto(site.app + DASHBOARD)
        requested: list[str] = []
        admin.on("request", lambda request: requested.append(request.url))
        hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true })"
        admin.evaluate(hide % "true")
        admin.evaluate("htmx.trigger('#live', 'refresh')")
        admin.wait_for_timeout(500)
        assert [url for url in requested if DASHBOARD in url] == []
        admin.evaluate(hide % "false")
        with admin.expect_response(lambda response: DASHBOARD in response.url):
            admin.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def test_user_who_loses_the_admin_role_is_redirected_to_the_login_page(
        self, context: BrowserContext, page: Page, site: Site
    ) -> None:
        user = site.clerk_api("POST", "/local/users", {"first_name": "Short", "last_name": "Lived", "roles": ["ADMIN"]})
        page.goto(f"{site.app}/sign-in/")
        page.get_by_role("button", name="Short Lived").click()
        page.wait_for_url(f"{site.app}/account/")
        page.goto(site.app + DASHBOARD)
        expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
        site.clerk_api("PATCH", f"/local/users/{user['id']}", {"roles": []})
        page.wait_for_url("**/admin/login/**", timeout=TIMEOUT_MS)

    def test_dashboard_works_without_javascript(self, chromium: Browser, admin: Page, site: Site) -> None:
        cookies: list[Any] = admin.context.cookies()
        context = chromium.new_context(java_script_enabled=False)
        context.add_cookies(cookies)
        page = context.new_page()
        page.goto(site.app + DASHBOARD)
        page.get_by_role("link", name="30 days").click()
        expect(page.get_by_role("heading", name="Events by day and type")).to_be_visible()
        context.close()


class TestAccessibility:
    def test_dashboard(self, admin: Page, site: Site, axe: str) -> None:
        admin.goto(site.app + DASHBOARD)
        admin.get_by_text("Show as table").click()
        assert admin_violations(admin, axe) == []

    def test_timeline(self, admin: Page, site: Site, axe: str, timeline: str, console_errors: list[str]) -> None:
        for query in ("", "?at=2099-01-01T00:00"):
            admin.goto(site.app + timeline + query)
            assert admin_violations(admin, axe) == []
        assert console_errors == []

    def test_event(self, admin: Page, site: Site, axe: str, timeline: str, console_errors: list[str]) -> None:
        admin.goto(site.app + timeline)
        admin.get_by_role("link", name="user.created").first.click()
        # Demo users change while they sign up, so the update may arrive first.
        expect(admin.locator(".status-summary")).to_contain_text(re.compile(r"Processed\.|Stale\."))
        expect(admin.locator(".tree")).to_contain_text("text, hidden")
        assert admin_violations(admin, axe) == []
        assert console_errors == []
