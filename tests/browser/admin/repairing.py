"""Work with failed events, replays, alerts and the audit log in the admin."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import admin_violations
from tests.browser.steps import ADMIN, user_id
from tests.helpers.servers.faulty_site import FaultySite
from tests.helpers.servers.site import Site, prepared_data, running_site

EVENTS = "/admin/webhooks/webhookevent/"
NO_RECONCILIATION = {"RECONCILE_CRON": "0 0 29 2 *", "RECONCILE_FULL_CRON": "0 0 29 2 *"}
#: Timeout in seconds. A worker has to start the job, and a replay's page is refreshed every two seconds.
TIMEOUT_MS = 30_000
_numbers = count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run the product with the usual token lifetime, because these tests do not test sessions.

    Periodic reconciliation is turned off, because it would repair users whose events are replayed here.
    """
    with running_site(tmp_path_factory.mktemp("repairing"), prepared_data(), **NO_RECONCILIATION) as site:
        yield site


@pytest.fixture(scope="module")
def faulty_site(site: Site) -> FaultySite:
    """Return a site with a day of events and an event that always fails."""
    faulty_site = FaultySite(site)
    faulty_site.add_day_of_events()
    faulty_site.deliver_dead()
    return faulty_site


@pytest.fixture
def failed_event_url(site: Site, faulty_site: FaultySite) -> str:
    """Return the URL of a dead event that renames Vera and would now succeed."""
    name = f"Vera{next(_numbers)}"
    vera = site.clerk_api("POST", "/local/users", {"first_name": name, "last_name": "Lind"})
    query = f"SELECT id FROM webhooks_webhookevent WHERE clerk_user_id = '{vera['id']}'"
    faulty_site.wait_for(f"{query} AND state = 'processed'")
    with faulty_site.failing_updates():
        site.clerk_api("PATCH", f"/local/users/{vera['id']}", {"last_name": "Unlucky"})
        faulty_site.wait_for(f"{query} AND state = 'failed'")
    [[pk]] = faulty_site.execute(f"{query} AND state = 'dead'")
    return f"{site.app}{EVENTS}{pk}/change/"


@pytest.fixture(params=[True, False], ids=["scripts", "plain"])
def tab(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Page]:
    """Return a tab of an admin on a phone, with and without JavaScript."""
    with operator(chromium, site, java_script_enabled=request.param, viewport={"width": 360, "height": 740}) as page:
        yield page


@contextmanager
def operator(chromium: Browser, site: Site, first_name: str = "Ngozi", **options: Any) -> Iterator[Page]:
    """Yield a tab of an admin in a new browser context."""
    context = chromium.new_context(**options)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto(f"{site.clerk}/sign-in?redirect_url={site.app}/account/")  # the product's sign-in page needs JavaScript
    # The stand-in has buttons only for the first users.
    form = page.locator("form").filter(has=page.locator("[name=user_id]")).first
    form.locator("[name=user_id]").evaluate("(field, id) => { field.value = id }", user_id(site, first_name))
    form.get_by_role("button").click()
    page.wait_for_url(f"{site.app}/account/")
    yield page
    context.close()


def rows(page: Page) -> Locator:
    return page.locator("#result_list tbody tr")


def apply_action(page: Page, action: str, reason: str = "For a test") -> None:
    """Apply an action on the open event page."""
    page.get_by_text("Repair…").click()
    page.locator(".repair").get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=action).click()


def wait_for_status(page: Page, text: str) -> None:
    """Wait until the page of a replay shows a status. Without JavaScript the page is reloaded every second."""
    summary = page.locator(".status-summary")
    if page.evaluate("matchMedia('(scripting: none)').matches"):
        for _second in range(TIMEOUT_MS // 1000):
            if text in summary.inner_text():
                break
            page.wait_for_timeout(1000)
            page.reload()
    expect(summary).to_contain_text(text, timeout=TIMEOUT_MS)


class TestEventList:
    def test_filter_is_shown_as_a_chip_that_removes_it(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str, console_errors: list[str]
    ) -> None:
        admin.goto(site.app + EVENTS)
        admin.get_by_label("Stale").check()
        admin.get_by_role("button", name="Apply").click()
        expect(rows(admin).first).to_be_visible()
        assert set(rows(admin).locator(".state").all_inner_texts()) == {" Stale"}
        assert admin_violations(admin, axe) == []
        admin.get_by_role("link", name="Remove filter State Stale").click()
        expect(rows(admin).locator(".state", has_text="Processed").first).to_be_visible()
        assert "state=" not in admin.url
        assert console_errors == []

    def test_phone_folds_the_filters_and_shows_state_type_and_age_first(self, admin: Page, site: Site) -> None:
        admin.set_viewport_size({"width": 390, "height": 844})
        admin.goto(site.app + EVENTS)
        expect(admin.get_by_label("Stale")).not_to_be_visible()
        row = rows(admin).first
        parts = [row.locator(name) for name in (".state", ".type", ".received small", ".received a")]
        state, kind, age, exact = [part.bounding_box() or {"x": 0, "y": 0} for part in parts]
        assert state["x"] < kind["x"] < age["x"]
        assert max(state["y"], kind["y"], age["y"]) + 5 < exact["y"]
        admin.get_by_text("Filters", exact=True).click()
        admin.get_by_label("Stale").check()
        admin.get_by_role("button", name="Apply").click()
        expect(admin.get_by_role("link", name="Remove filter State Stale")).to_be_visible()

    def test_list_is_sorted_by_delay_and_by_attempts(
        self, admin: Page, site: Site, failed_event_url: str, axe: str
    ) -> None:
        admin.goto(site.app + EVENTS)
        assert admin_violations(admin, axe) == []
        order = admin.get_by_role("navigation", name="Sort by")
        for label, column in (("Attempts", 6), ("Delay", 5)):
            order.get_by_role("link", name=label).click()
            expect(order.locator("[aria-current]")).to_contain_text(label)
            assert "sort=-" in admin.url
            greatest = rows(admin).first.locator("td").nth(column).inner_text()
            order.get_by_role("link", name=label).click()
            expect(order.locator("[aria-current]")).to_contain_text("ascending")
            assert rows(admin).first.locator("td").nth(column).inner_text() != greatest

    def test_pagination(self, admin: Page, site: Site, faulty_site: FaultySite) -> None:
        admin.goto(f"{site.app}{EVENTS}?state=processed")
        newest = rows(admin).first.inner_text()
        admin.get_by_role("link", name="Older").click()
        assert rows(admin).first.inner_text() != newest
        expect(rows(admin)).to_have_count(50)
        admin.get_by_role("link", name="Newer").click()
        links = rows(admin).locator(".received a")
        admin.get_by_role("link", name="Older").click()
        expect(links).to_have_count(50)
        admin.get_by_role("link", name="Newest").click()
        assert admin.url == f"{site.app}{EVENTS}?state=processed"

    def test_search_by_email_finds_the_users_events(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str
    ) -> None:
        admin.goto(site.app + EVENTS)
        search = admin.get_by_role("searchbox", name="Search")
        search.fill("OMAR@example.com")
        search.press("Enter")
        expect(rows(admin).first).to_be_visible()
        assert set(rows(admin).locator(".user").all_inner_texts()) == {"Omar Haddad"}
        search.fill("nobody@example.com")
        search.press("Enter")
        expect(admin.locator("#changelist")).to_contain_text("No results.")
        expect(admin.locator("#changelist")).to_contain_text(
            "There are no matching events for an account with this email address"
        )
        assert admin_violations(admin, axe) == []


class TestEvent:
    def test_failed_event_shows_attempts_and_errors(
        self, admin: Page, failed_event_url: str, axe: str, console_errors: list[str]
    ) -> None:
        admin.goto(failed_event_url)
        expect(admin.locator(".status-summary")).to_contain_text("Dead. Tried once. Needs attention")
        attempts = admin.get_by_role("list", name="Attempts")
        expect(attempts).to_contain_text("attempt 1, triggered by delivery")
        expect(attempts).to_contain_text("out of order")
        trace = attempts.locator("pre")
        expect(trace).to_be_hidden()
        attempts.get_by_text("Traceback", exact=True).click()
        expect(trace).to_contain_text("Traceback (most recent call last)")
        tree = admin.get_by_role("list", name="Payload")
        expect(tree).to_contain_text("text, hidden")
        expect(tree).not_to_contain_text("Unlucky")
        data, name = tree.locator("summary", has_text="data:"), tree.get_by_text("last_name")
        data.click()
        expect(name).to_be_hidden()
        data.click()
        expect(name).to_be_visible()
        assert admin_violations(admin, axe) == []
        assert console_errors == []

    def test_personal_data_requires_a_permission(self, admin: Page, failed_event_url: str) -> None:
        admin.goto(failed_event_url)
        expect(admin.get_by_role("button", name="Show personal data")).to_have_count(0)
        expect(admin.get_by_text("Can reveal personal data in payloads")).to_be_visible()
        token = admin.locator("[name=csrfmiddlewaretoken]").first.input_value()
        status, text = admin.evaluate(
            """async ([url, token]) => {
              const body = new URLSearchParams({ csrfmiddlewaretoken: token, reason: "Curious" });
              const response = await fetch(url, { method: "POST", body });
              return [response.status, await response.text()];
            }""",
            [failed_event_url.replace("/change/", "/reveal/"), token],
        )
        assert status == 403
        assert "Unlucky" not in text

    def test_fixture_contains_no_personal_data(self, tab: Page, failed_event_url: str, axe: str) -> None:
        tab.goto(failed_event_url)
        apply_action(tab, "Copy as test fixture")
        text = tab.get_by_label("Fixture").input_value()
        assert '"first_name"' in text
        assert "Vera" not in text
        assert "Unlucky" not in text
        assert admin_violations(tab, axe) == []
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename.startswith("user-updated-")


class TestRepair:
    def test_event_is_replayed_after_a_dry_run(self, tab: Page, failed_event_url: str, axe: str) -> None:
        tab.goto(failed_event_url)
        apply_action(tab, "Dry run")
        expect(tab.locator(".status-summary")).to_have_text("Done: 1 event. Nothing was changed.", use_inner_text=True)
        found = tab.locator(".timeline li li")
        expect(found).to_contain_text("user.name:")
        assert found.locator("del").inner_text().endswith("Lind")
        assert found.locator("ins").inner_text().endswith("Unlucky")
        assert admin_violations(tab, axe) == []
        tab.get_by_label("Reason").fill("It works again")
        tab.get_by_role("button", name="Replay events").click()
        expect(tab.locator(".status-summary")).to_have_text("Done: 1 event.", use_inner_text=True)
        expect(tab.get_by_role("link", name="Dry run")).to_be_visible()
        tab.goto(failed_event_url)
        expect(tab.locator(".status-summary")).to_contain_text("Processed. Applied on attempt 2.")
        expect(tab.get_by_text("Event Replayed").or_(tab.get_by_text("Event replayed"))).to_be_visible()
        assert admin_violations(tab, axe) == []

    def test_slow_dry_run_of_filtered_events_is_cancelled(self, tab: Page, site: Site, axe: str) -> None:
        tab.goto(f"{site.app}{EVENTS}?event_type=user.created&state=processed")
        tab.get_by_role("link", name="Replay all matching events…").click()
        expect(tab.locator(".status-summary")).to_contain_text("State: Processed")
        assert admin_violations(tab, axe) == []
        tab.get_by_label("Reason").fill("Test of cancelling")
        tab.get_by_label("Rate limit (events per second)").fill("2")
        tab.get_by_role("button", name="Dry run").click()
        wait_for_status(tab, "Running")
        expect(tab.get_by_role("progressbar", name="Progress")).to_be_visible()
        tab.get_by_label("Reason").fill("Enough results")
        tab.get_by_role("button", name="Cancel").click()
        expect(tab.get_by_text("was cancelled.")).to_be_visible()
        expect(tab.locator(".status-summary")).to_contain_text("Cancelled:")
        assert admin_violations(tab, axe) == []

    def test_filtered_events_are_replayed_after_a_dry_run(
        self, admin: Page, site: Site, failed_event_url: str, axe: str, console_errors: list[str]
    ) -> None:
        admin.goto(f"{site.app}{EVENTS}?state=dead")
        admin.get_by_role("link", name="Replay all matching events…").click()
        admin.get_by_label("Reason").fill("All at once")
        admin.get_by_label("Rate limit (events per second)").fill("1")
        admin.get_by_role("button", name="Dry run").click()
        # Refreshing the page keeps the typed text.
        admin.get_by_label("Reason").fill("It works again")
        wait_for_status(admin, "Done")
        expect(admin.get_by_text("Processed: user.name")).to_be_visible()
        assert admin_violations(admin, axe) == []
        admin.get_by_label("Reason").fill("It works again")
        admin.get_by_label("Rate limit (events per second)").fill("0")
        admin.get_by_role("button", name="Replay events").click()
        wait_for_status(admin, "Done")
        expect(admin.locator(".properties", has_text="Processed: applied")).to_be_visible()
        admin.goto(failed_event_url)
        expect(admin.locator(".status-summary")).to_contain_text("Processed.")
        assert console_errors == []

    def test_event_resolved_by_another_admin_cannot_be_resolved_again(
        self, tab: Page, chromium: Browser, site: Site, failed_event_url: str
    ) -> None:
        name = f"Second{next(_numbers)}"
        site.clerk_api("POST", "/local/users", {"first_name": name, "last_name": "Admin", "roles": ["ADMIN"]})
        with operator(chromium, site, name) as other:
            tab.goto(failed_event_url)
            other.goto(failed_event_url)
            apply_action(tab, "Mark as resolved", "Known and harmless")
            expect(tab.locator(".status-summary")).to_contain_text("Resolved by hand: Known and harmless")
            apply_action(other, "Mark as resolved", "Also harmless")
            expect(other.get_by_text("The event is already settled, so there is nothing to resolve.")).to_contain_text(
                ADMIN
            )


class TestAlerts:
    def test_alert_is_opened_and_acknowledged(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str, console_errors: list[str]
    ) -> None:
        faulty_site.deliver_dead()
        faulty_site.wait_for("SELECT 1 FROM webhooks_alert WHERE rule = 'dead_events' AND resolved_at IS NULL")
        admin.goto(f"{site.app}/admin/webhooks/alert/")
        expect(admin.get_by_role("heading", level=1)).to_have_text("Alerts")
        assert admin_violations(admin, axe) == []
        admin.get_by_role("link", name="Open", exact=True).click()
        admin.locator("#result_list").get_by_role("link", name="Dead events need attention").click()
        expect(admin.locator(".status-summary")).to_contain_text("Open.")
        assert admin_violations(admin, axe) == []
        url = admin.url
        admin.get_by_role("link", name="Open the runbook").click()
        expect(admin.locator(".runbook")).to_contain_text("The alert resolves")
        assert admin_violations(admin, axe) == []
        admin.goto(url)
        admin.get_by_label("Note").fill("Looking at it")
        admin.get_by_role("button", name="Acknowledge").click()
        expect(admin.locator(".status-summary")).to_contain_text("Acknowledged.")
        expect(admin.locator(".facts")).to_contain_text("Looking at it")
        assert admin_violations(admin, axe) == []
        admin.locator(".timeline li", has=admin.locator(".state")).get_by_role("link").first.click()
        expect(admin.locator(".status-summary")).to_contain_text("Dead.")
        assert console_errors == []


class TestAuditLog:
    def test_row_is_found_opened_and_exported(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str, console_errors: list[str]
    ) -> None:
        admin.goto(f"{site.app}/admin/audit/auditlog/")
        expect(admin.get_by_role("heading", level=1)).to_have_text("Audit log")
        assert admin_violations(admin, axe) == []
        action = admin.locator(".filter-menu").filter(has=admin.locator("a", has_text="Profile Created"))
        action.locator("summary").click()
        action.get_by_role("link", name="Profile Created").click()
        assert set(rows(admin).locator(".field-action").all_inner_texts()) == {"Profile Created"}
        with admin.expect_download() as download:
            admin.get_by_role("button", name="CSV").click()
        assert download.value.suggested_filename.endswith(".csv")
        rows(admin).first.locator(".field-written_at a").click()
        expect(admin.get_by_text("View all rows about this user")).to_be_visible()
        assert admin_violations(admin, axe) == []
        assert console_errors == []
