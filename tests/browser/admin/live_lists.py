"""Live updates and keyboard shortcuts of the event list."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import admin_violations
from tests.helpers.servers.site import Site

EVENTS = "/admin/webhooks/webhookevent/"
HIDE = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true })"
#: The list polls every five seconds.
TIMEOUT_MS = 15_000


@pytest.fixture
def events(admin: Page, site: Site) -> Page:
    admin.goto(site.app + EVENTS)
    return admin


def create_user(site: Site, name: str = "Rene") -> None:
    site.clerk_api("POST", "/local/users", {"first_name": name, "last_name": "Live"})


def row_ids(page: Page) -> list[str]:
    ids: list[str] = page.evaluate("[...document.querySelectorAll('#result_list tbody tr')].map((row) => row.id)")
    return ids


def focused_row(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.closest('tr')?.id ?? ''")
    return found


class TestLiveUpdates:
    def test_new_event_appears_without_changing_focus_and_selection(
        self, events: Page, site: Site, console_errors: list[str]
    ) -> None:
        before = row_ids(events)
        events.locator(f"#{before[1]} .action-select").check()
        events.locator(f"#{before[2]} a").first.focus()
        events.evaluate(f"window.kept = document.getElementById('{before[2]}')")
        create_user(site)
        expect(events.locator("#result_list tbody tr").first).not_to_have_id(before[0], timeout=TIMEOUT_MS)
        after = row_ids(events)
        assert after[-1] in before
        assert set(after) - set(before)
        expect(events.locator(f"#{before[1]} .action-select")).to_be_checked()
        assert focused_row(events) == before[2]
        assert events.evaluate("window.kept.isConnected") is True
        expect(events.get_by_role("status").filter(has_text="new event")).to_be_attached()
        expect(events.locator(".action-counter")).to_contain_text(f"1 of {len(after)}")
        assert console_errors == []

    def test_update_keeps_the_scroll_position(self, events: Page, site: Site) -> None:
        events.evaluate("document.querySelectorAll('#result_list tbody tr')[20].scrollIntoView()")
        row = row_ids(events)[20]
        top = "document.getElementById('%s').getBoundingClientRect().top"
        before, first = events.evaluate(top % row), row_ids(events)[0]
        create_user(site)
        expect(events.locator("#result_list tbody tr").first).not_to_have_id(first, timeout=TIMEOUT_MS)
        assert abs(events.evaluate(top % row) - before) < 2

    def test_filtered_list_shows_the_number_of_new_events(self, admin: Page, site: Site) -> None:
        admin.goto(f"{site.app}{EVENTS}?event_type=user.created")
        before = row_ids(admin)
        create_user(site)
        notice = admin.get_by_role("link", name=re.compile(r"^\d+ new events?$"))
        expect(notice).to_be_visible(timeout=TIMEOUT_MS)
        assert row_ids(admin) == before
        notice.click()
        expect(admin.locator("#result_list tbody tr").first).not_to_have_id(before[0])

    def test_hidden_and_paused_lists_send_no_requests(self, events: Page) -> None:
        requested: list[str] = []
        # The browser itself requests the icon at any time.
        events.on("request", lambda request: requested.append(request.url) if "/static/" not in request.url else None)
        events.evaluate(HIDE % "true")
        events.evaluate("htmx.trigger('#news', 'refresh')")
        events.evaluate(HIDE % "false")
        events.get_by_role("button", name="Live updates").click()
        events.evaluate("htmx.trigger('#news', 'refresh')")
        events.wait_for_timeout(300)
        assert requested == []
        with events.expect_response(lambda response: "/news/" in response.url):
            events.get_by_role("button", name="Live updates").click()


class TestShortcuts:
    def test_j_and_k_move_the_focus_and_enter_opens_the_event(self, events: Page) -> None:
        rows = row_ids(events)
        for key, row in (("j", rows[0]), ("j", rows[1]), ("j", rows[2]), ("k", rows[1])):
            events.keyboard.press(key)
            assert focused_row(events) == row
        events.keyboard.press("Enter")
        events.wait_for_url(f"**{EVENTS}{rows[1].removeprefix('event-')}/change/**")

    def test_r_opens_the_repair_form_of_the_focused_event(self, events: Page) -> None:
        events.keyboard.press("r")
        assert events.url.endswith(EVENTS)
        events.keyboard.press("j")
        events.keyboard.press("r")
        events.wait_for_url("**/change/#repair-reason")
        expect(events.get_by_label("Reason", exact=True)).to_be_focused()
        events.keyboard.type("rjk?")
        expect(events.get_by_label("Reason", exact=True)).to_have_value("rjk?")

    def test_slash_focuses_the_search_and_typing_triggers_no_shortcut(self, events: Page) -> None:
        events.keyboard.press("/")
        search = events.get_by_label("Search", exact=True)
        expect(search).to_be_focused()
        events.keyboard.type("jkr/?")
        expect(search).to_have_value("jkr/?")
        expect(events.locator("#keyboard-help")).to_be_hidden()

    def test_help_sheet_opens_closes_and_turns_shortcuts_off(
        self, events: Page, axe: str, console_errors: list[str]
    ) -> None:
        events.keyboard.press("?")
        sheet = events.get_by_role("dialog", name="Keyboard shortcuts")
        expect(sheet).to_be_visible()
        assert admin_violations(events, axe) == []
        events.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        events.get_by_role("button", name="Keyboard shortcuts").click()
        sheet.get_by_label("Use keyboard shortcuts in lists").uncheck()
        sheet.get_by_role("button", name="Close").click()
        events.reload()
        events.keyboard.press("j")
        assert focused_row(events) == ""
        assert console_errors == []

    def test_shortcuts_work_in_other_lists(self, admin: Page, site: Site) -> None:
        admin.goto(f"{site.app}/admin/accounts/user/")
        admin.keyboard.press("j")
        name: Any = admin.evaluate("document.activeElement.textContent")
        admin.keyboard.press("Enter")
        expect(admin.get_by_role("heading", name=name)).to_be_visible()
