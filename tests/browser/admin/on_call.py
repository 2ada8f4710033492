"""Tasks of an on-call operator: view personal data, fetch users, handle alerts and resume replays."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from config.environment import BASE_DIR
from local.stack import environment
from local.stack.postgres import EmbeddedPostgres
from tests.browser.admin.repairing import (
    EVENTS,
    apply_action,
    failed_event_url,
    faulty_site,
    operator,
    site,
    tab,
    wait_for_status,
)
from tests.browser.axe import admin_violations
from tests.browser.scenario import expect_no_overflow
from tests.helpers.servers.faulty_site import FaultySite
from tests.helpers.servers.site import Site

__all__ = ["failed_event_url", "faulty_site", "site", "tab"]

LOGIN, PASSWORD = "root", "correct horse battery"
CREATE_SUPERUSER = "from accounts.models import User; User.objects.create_superuser(login={!r}, password={!r})"


@pytest.fixture(scope="module")
def local_operator(site: Site) -> str:
    """Create a local operator with a password, and return the login."""
    environ = environment.build({"PATH": os.environ["PATH"]}, site.data, site.port)
    environ["DATABASE_URL"] = EmbeddedPostgres(site.data).url
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", CREATE_SUPERUSER.format(LOGIN, PASSWORD)]
    subprocess.run(command, cwd=BASE_DIR, env=environ, check=True, capture_output=True)
    return LOGIN


@pytest.fixture
def root(chromium: Browser, site: Site, local_operator: str) -> Iterator[Page]:
    """Return a tab of the local operator on a phone."""
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(f"{site.app}/admin/login/")
    page.get_by_label("Login").fill(local_operator)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Site administration")
    yield page
    context.close()


@contextmanager
def expecting_no_errors(page: Page) -> Iterator[None]:
    """Fail if the page logs an error."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield
    assert errors == []


def grant_reveal_permission(root: Page, faulty_site: FaultySite, clerk_id: str) -> None:
    """As the local operator, create a group with the permission to reveal personal data, and add a user to it."""
    [[number]] = faulty_site.execute(f"SELECT id FROM accounts_user WHERE clerk_id = '{clerk_id}'")
    root.goto(f"{faulty_site.site.app}/admin/auth/group/add/")
    root.get_by_label("Name:").fill(f"Readers, {number}")
    root.locator("#id_permissions_from").select_option(
        label="Webhooks | webhook event | Can reveal personal data in payloads"
    )
    root.get_by_role("button", name="Choose selected permissions").click()
    expect(root.get_by_role("heading", name="Members")).to_be_visible()
    root.locator("[name=User_groups-0-user]").fill(str(number))
    root.get_by_role("button", name="Save", exact=True).click()
    expect(root.locator(".messagelist")).to_contain_text("was added successfully")


def reveal(page: Page, reason: str) -> None:
    """Show the personal data on the open event page."""
    page.locator(".reveal-form [name=reason]").fill(reason)
    page.get_by_role("button", name="Show personal data").click()


class TestPersonalData:
    def test_local_operator_sees_personal_data_once(self, root: Page, failed_event_url: str, axe: str) -> None:
        with expecting_no_errors(root):
            root.goto(failed_event_url)
            reveal(root, "Her complaint, ticket 17")
            tree = root.get_by_role("list", name="Payload")
            expect(tree).to_contain_text('"Unlucky"')
            expect(root.get_by_role("status")).to_contain_text("The audit log records that you viewed it")
            assert admin_violations(root, axe) == []
            root.get_by_role("link", name="Hide personal data").click()
            expect(tree).to_contain_text("text, hidden")
            expect(tree).not_to_contain_text("Unlucky")
            actions = root.locator(".timeline", has_text="Payload revealed")
            expect(actions).to_contain_text("Her complaint, ticket 17")
        # The page with personal data cannot be opened again by its URL.
        root.goto(failed_event_url.replace("/change/", "/reveal/"))
        assert root.url == failed_event_url
        expect(root.locator(".messagelist")).to_contain_text("Nothing was done")
        expect(tree).not_to_contain_text("Unlucky")

    def test_admin_in_a_permitted_group_sees_personal_data(
        self, root: Page, chromium: Browser, faulty_site: FaultySite, failed_event_url: str, axe: str
    ) -> None:
        site = faulty_site.site
        fields = {"first_name": "Reader", "last_name": "Admin", "roles": ["ADMIN"]}
        reader = site.clerk_api("POST", "/local/users", fields)
        with operator(chromium, site, "Reader") as page:
            page.goto(failed_event_url)
            expect(page.get_by_text("Can reveal personal data in payloads")).to_be_visible()
            expect(page.get_by_role("button", name="Show personal data")).to_have_count(0)
            grant_reveal_permission(root, faulty_site, reader["id"])
            with expecting_no_errors(page):
                page.reload()
                assert admin_violations(page, axe) == []
                reveal(page, "Her complaint, ticket 18")
                expect(page.get_by_role("list", name="Payload")).to_contain_text('"Unlucky"')
            page.get_by_role("link", name="Hide personal data").click()
            faulty_site.execute("DELETE FROM accounts_user_groups")
            reveal(page, "Check again")
            expect(page.locator("body")).not_to_contain_text("Unlucky")
            expect(page.get_by_role("heading", level=1)).to_have_text("You do not have access to this page")


class TestFetch:
    def test_user_of_a_dead_event_is_fetched_from_clerk(
        self, tab: Page, site: Site, failed_event_url: str, axe: str
    ) -> None:
        tab.goto(failed_event_url)
        name = tab.locator(".facts dd a").first
        expect(name).to_contain_text("Lind")
        with expecting_no_errors(tab):
            apply_action(tab, "Fetch from Clerk", "The user is waiting for it")
            expect(tab.locator(".messagelist")).to_contain_text("Fetching the user from Clerk.")
            result = tab.get_by_text(
                "1 user differed: 1 was out of date here. Fields that differed: name. All differences were repaired."
            )
            for _second in range(30):
                if result.count():
                    break
                tab.wait_for_timeout(1000)
                tab.reload()
            expect(result).to_be_visible()
            assert admin_violations(tab, axe) == []
            tab.goto(failed_event_url)
            expect(name).to_contain_text("Unlucky")
            expect(tab.locator(".timeline", has_text="Person fetched")).to_contain_text("The user is waiting for it")
            apply_action(tab, "Dry run")
            expect(tab.locator(".timeline")).to_contain_text("Stale")


class TestUnreadable:
    def test_event_page_and_runbook_explain_an_invalid_payload(
        self, tab: Page, site: Site, faulty_site: FaultySite, axe: str
    ) -> None:
        tab.goto(f"{site.app}{EVENTS}?state=dead&event_type=user.created")
        tab.locator("#result_list .received a").first.click()
        expect(tab.get_by_role("heading", level=1)).to_have_text("user.created")
        expect(tab.locator(".status-summary")).to_contain_text("the payload is invalid")
        tab.get_by_role("link", name="Open the runbook").click()
        expect(tab.get_by_role("heading", level=1)).to_have_text("Dead events need attention")
        assert admin_violations(tab, axe) == []


class TestAlerts:
    def test_alert_is_snoozed_and_then_resolved(self, tab: Page, site: Site, faulty_site: FaultySite, axe: str) -> None:
        faulty_site.deliver_dead()
        query = "SELECT id FROM webhooks_alert WHERE rule = 'dead_events' AND resolved_at IS NULL"
        faulty_site.wait_for(query)
        [[pk]] = faulty_site.execute(query)
        with expecting_no_errors(tab):
            tab.goto(f"{site.app}/admin/webhooks/alert/{pk}/change/")
            tab.get_by_label("Note").fill("After the release")
            tab.get_by_label("for").select_option("4")
            tab.get_by_role("button", name="Snooze").click()
            expect(tab.locator(".status-summary")).to_contain_text("Snoozed.")
            expect(tab.locator(".facts")).to_contain_text("Snoozed until")
            assert admin_violations(tab, axe) == []
            tab.get_by_label("Note").fill("No data was missing")
            tab.get_by_role("button", name="Resolve").click()
            expect(tab.locator(".status-summary")).to_contain_text("Resolved.")
            expect(tab.locator(".note")).to_have_text("After the release\nNo data was missing", use_inner_text=True)
            expect(tab.get_by_role("button", name="Resolve")).to_have_count(0)
            assert admin_violations(tab, axe) == []


class TestReplay:
    def test_cancelled_replay_is_resumed(self, tab: Page, site: Site, faulty_site: FaultySite, axe: str) -> None:
        tab.goto(
            f"{site.app}{EVENTS}?event_type=email.created&state=ignored"
        )  # there are about a hundred events, and replaying does not change them
        tab.get_by_role("link", name="Replay all matching events…").click()
        tab.get_by_label("Reason").fill("Test of cancelling")
        tab.get_by_label("Rate limit (events per second)").fill("1")
        tab.get_by_role("button", name="Replay", exact=True).click()
        wait_for_status(tab, "Running")
        tab.get_by_label("Reason").fill("Not now")
        tab.get_by_role("button", name="Cancel").click()
        expect(tab.locator(".status-summary")).to_contain_text("Cancelled:")
        assert admin_violations(tab, axe) == []
        cancelled = tab.get_by_role("heading", level=1).inner_text()
        tab.get_by_label("Reason").fill("Continue now")
        tab.get_by_label("Rate limit (events per second)").fill("0")
        tab.get_by_role("button", name="Resume").click()
        expect(tab.locator(".facts").first).to_contain_text(cancelled)
        wait_for_status(tab, "Done")
        tab.get_by_role("link", name=cancelled).click()
        expect(tab.get_by_role("button", name="Resume")).to_have_count(0)


class TestConflict:
    def test_actions_of_a_conflict_fit_the_window(
        self, root: Page, site: Site, faulty_site: FaultySite, axe: str
    ) -> None:
        """The actions are below the accounts, because even wide windows have no room beside them."""
        fields = {"first_name": "Twin", "last_name": "One", "email": "twin@example.com", "roles": ["BUILDER"]}
        for count in (1, 2):
            site.clerk_api("POST", "/local/users", fields)
            faulty_site.wait_for(
                f"SELECT 1 FROM accounts_user WHERE email = 'twin@example.com' HAVING count(*) = {count}"
            )
        faulty_site.wait_for("SELECT 1 FROM accounts_identityconflict WHERE email = 'twin@example.com'")
        root.goto(f"{site.app}/admin/accounts/identityconflict/?q=twin@example.com")
        root.locator("#result_list tbody th a").first.click()
        expect(root.get_by_role("button", name="Keep separate")).to_be_visible()
        assert admin_violations(root, axe) == []


def test_runbooks_fit_on_a_phone(tab: Page, site: Site) -> None:
    tab.set_viewport_size({"width": 360, "height": 740})
    for path in sorted((BASE_DIR / "docs" / "runbooks").glob("*.md")):
        tab.goto(f"{site.app}/admin/webhooks/alert/runbooks/{path.stem}/")
        expect_no_overflow(tab)
