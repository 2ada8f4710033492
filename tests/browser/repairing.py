"""What operators do about events, alerts and the audit log in a real browser, on events that failed for real."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.looks import violations
from tests.browser.people import ADMIN, user_id
from tests.helpers.faulty_site import FaultySite
from tests.helpers.site import Site, running_site

EVENTS = "/admin/webhooks/webhookevent/"
#: A worker has to begin, and the page of a replay asks every two seconds.
PATIENCE_MS = 30_000
_numbers = count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run everything, with tokens that live as long as Clerk's: what is shown here is not who is signed in."""
    with running_site(tmp_path_factory.mktemp("repairing")) as site:
        yield site


@pytest.fixture(scope="module")
def faulty_site(site: Site) -> FaultySite:
    """Return whoever makes faulty_site, after a day of events and one that no retry can cure."""
    faulty_site = FaultySite(site)
    faulty_site.add_day_of_events()
    faulty_site.deliver_dead()
    return faulty_site


@pytest.fixture
def failed(site: Site, faulty_site: FaultySite) -> str:
    """Return the address of an event that could not be applied, and now could: it renames Vera."""
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
    """Return a tab of an operator on a telephone, with and without JavaScript."""
    with operator(chromium, site, java_script_enabled=request.param, viewport={"width": 360, "height": 740}) as page:
        yield page


@contextmanager
def operator(chromium: Browser, site: Site, first_name: str = "Ngozi", **options: Any) -> Iterator[Page]:
    """Yield a tab of somebody in a browser of their own."""
    context = chromium.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{site.clerk}/sign-in?redirect_url={site.app}/account/")  # ours leads there by a script
    # The stand-in lists only the first people, who have buttons.
    somebody = page.locator("form").filter(has=page.locator("[name=user_id]")).first
    somebody.locator("[name=user_id]").evaluate("(field, id) => { field.value = id }", user_id(site, first_name))
    somebody.get_by_role("button").click()
    page.wait_for_url(f"{site.app}/account/")
    yield page
    context.close()


def rows(page: Page) -> Locator:
    return page.locator("#result_list tbody tr")


def do(page: Page, action: str, reason: str = "For a test") -> None:
    """Apply an action to the event that is open."""
    page.get_by_text("Repair…").click()
    page.locator(".repair").get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=action).click()


def until(page: Page, words: str) -> None:
    """Look at the page of a replay until it says so; without JavaScript that takes reloading."""
    verdict = page.locator(".status-summary")
    if page.evaluate("matchMedia('(scripting: none)').matches"):
        for _second in range(PATIENCE_MS // 1000):
            if words in verdict.inner_text():
                break
            page.wait_for_timeout(1000)
            page.reload()
    expect(verdict).to_contain_text(words, timeout=PATIENCE_MS)


class TestEventList:
    def test_a_filter_is_a_chip_that_can_be_taken_away(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str, complaints: list[str]
    ) -> None:
        admin.goto(site.app + EVENTS)
        admin.get_by_label("Stale").check()
        admin.get_by_role("button", name="Apply").click()
        expect(rows(admin).first).to_be_visible()
        assert set(rows(admin).locator(".state").all_inner_texts()) == {" Stale"}
        assert violations(admin, axe) == []
        admin.get_by_role("link", name="Remove filter State Stale").click()
        expect(rows(admin).locator(".state", has_text="Processed").first).to_be_visible()
        assert "state=" not in admin.url
        assert complaints == []

    def test_it_is_sorted_by_lag_and_by_attempts(self, admin: Page, site: Site, failed: str, axe: str) -> None:
        admin.goto(site.app + EVENTS)
        assert violations(admin, axe) == []
        order = admin.get_by_role("navigation", name="Sort by")
        for words, place in (("Attempts", 6), ("Lag", 5)):
            order.get_by_role("link", name=words).click()
            expect(order.locator("[aria-current]")).to_contain_text(words)
            assert "sort=-" in admin.url
            greatest = rows(admin).first.locator("td").nth(place).inner_text()
            order.get_by_role("link", name=words).click()
            expect(order.locator("[aria-current]")).to_contain_text("ascending")
            assert rows(admin).first.locator("td").nth(place).inner_text() != greatest

    def test_pages_follow_each_other(self, admin: Page, site: Site, faulty_site: FaultySite) -> None:
        admin.goto(f"{site.app}{EVENTS}?state=processed")
        newest = rows(admin).first.inner_text()
        admin.get_by_role("link", name="Older").click()
        assert rows(admin).first.inner_text() != newest
        expect(rows(admin)).to_have_count(50)
        admin.get_by_role("link", name="Newer").click()
        addresses = rows(admin).locator(".received a")
        admin.get_by_role("link", name="Older").click()
        expect(addresses).to_have_count(50)
        admin.get_by_role("link", name="Newest").click()
        assert admin.url == f"{site.app}{EVENTS}?state=processed"

    def test_an_address_of_e_mail_leads_to_the_events_of_its_person(
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
            "No matching events for an account with this email address"
        )
        assert violations(admin, axe) == []


class TestEvent:
    def test_a_failed_event_tells_what_was_tried_and_what_it_said(
        self, admin: Page, failed: str, axe: str, complaints: list[str]
    ) -> None:
        admin.goto(failed)
        expect(admin.locator(".status-summary")).to_contain_text("Dead. Tried once. Needs attention")
        attempts = admin.get_by_role("list", name="Attempts")
        expect(attempts).to_contain_text("attempt 1, by delivery")
        expect(attempts).to_contain_text("out of order")
        trace = attempts.locator("pre")
        expect(trace).to_be_hidden()
        attempts.get_by_text("Traceback", exact=True).click()
        expect(trace).to_contain_text("Traceback (most recent call last)")
        tree = admin.get_by_role("list", name="Payload")
        expect(tree).to_contain_text("text, hidden")
        expect(tree).not_to_contain_text("Unlucky")
        data, told = tree.locator("summary", has_text="data:"), tree.get_by_text("last_name")
        data.click()
        expect(told).to_be_hidden()
        data.click()
        expect(told).to_be_visible()
        assert violations(admin, axe) == []
        assert complaints == []

    def test_personal_values_are_refused_to_whoever_may_not_see_them(self, admin: Page, failed: str) -> None:
        admin.goto(failed)
        expect(admin.get_by_role("button", name="Show personal data")).to_have_count(0)
        expect(admin.get_by_text("Can reveal personal data in payloads")).to_be_visible()
        token = admin.locator("[name=csrfmiddlewaretoken]").first.input_value()
        status, text = admin.evaluate(
            """async ([address, token]) => {
              const body = new URLSearchParams({ csrfmiddlewaretoken: token, reason: "Curious" });
              const answer = await fetch(address, { method: "POST", body });
              return [answer.status, await answer.text()];
            }""",
            [failed.replace("/change/", "/reveal/"), token],
        )
        assert status == 403
        assert "Unlucky" not in text

    def test_a_fixture_has_nothing_of_the_person(self, tab: Page, failed: str, axe: str) -> None:
        tab.goto(failed)
        do(tab, "Copy as test fixture")
        text = tab.get_by_label("Fixture").input_value()
        assert '"first_name"' in text
        assert "Vera" not in text
        assert "Unlucky" not in text
        assert violations(tab, axe) == []
        with tab.expect_download() as download:
            tab.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename.startswith("user-updated-")


class TestRepair:
    def test_one_event_is_tried_and_then_done(self, tab: Page, failed: str, axe: str) -> None:
        tab.goto(failed)
        do(tab, "Dry run")
        expect(tab.locator(".status-summary")).to_have_text("Done: 1 event. Nothing was changed.", use_inner_text=True)
        found = tab.locator(".timeline li li")
        expect(found).to_contain_text("user.name:")
        assert found.locator("del").inner_text().endswith("Lind")
        assert found.locator("ins").inner_text().endswith("Unlucky")
        assert violations(tab, axe) == []
        tab.get_by_label("Reason").fill("It works again")
        tab.get_by_role("button", name="Run for real").click()
        expect(tab.locator(".status-summary")).to_have_text("Done: 1 event.", use_inner_text=True)
        expect(tab.get_by_role("link", name="Dry run")).to_be_visible()
        tab.goto(failed)
        expect(tab.locator(".status-summary")).to_contain_text("Processed. Applied on attempt 2.")
        expect(tab.get_by_text("Event Replayed").or_(tab.get_by_text("Event replayed"))).to_be_visible()
        assert violations(tab, axe) == []

    def test_all_that_a_filter_finds_are_tried_slowly_and_stopped(self, tab: Page, site: Site, axe: str) -> None:
        tab.goto(f"{site.app}{EVENTS}?event_type=user.created&state=processed")
        tab.get_by_role("link", name="Replay all of these…").click()
        expect(tab.locator(".status-summary")).to_contain_text("State: Processed")
        assert violations(tab, axe) == []
        tab.get_by_label("Reason").fill("To see it")
        tab.get_by_label("Rate limit (events per second)").fill("2")
        tab.get_by_role("button", name="Dry run").click()
        until(tab, "Running")
        expect(tab.get_by_role("progressbar", name="Progress")).to_be_visible()
        tab.get_by_label("Reason").fill("Seen enough")
        tab.get_by_role("button", name="Cancel").click()
        expect(tab.get_by_text("was cancelled.")).to_be_visible()
        expect(tab.locator(".status-summary")).to_contain_text("Cancelled:")
        assert violations(tab, axe) == []

    def test_all_that_a_filter_finds_are_tried_and_then_done(
        self, admin: Page, site: Site, failed: str, axe: str, complaints: list[str]
    ) -> None:
        admin.goto(f"{site.app}{EVENTS}?state=dead")
        admin.get_by_role("link", name="Replay all of these…").click()
        admin.get_by_label("Reason").fill("All at once")
        admin.get_by_label("Rate limit (events per second)").fill("1")
        admin.get_by_role("button", name="Dry run").click()
        # What somebody types stays, however often the page renews itself.
        admin.get_by_label("Reason").fill("It works again")
        until(admin, "Done")
        expect(admin.get_by_text("Processed: user.name")).to_be_visible()
        assert violations(admin, axe) == []
        admin.get_by_label("Reason").fill("It works again")
        admin.get_by_label("Rate limit (events per second)").fill("0")
        admin.get_by_role("button", name="Run for real").click()
        until(admin, "Done")
        expect(admin.locator(".properties", has_text="Processed: applied")).to_be_visible()
        admin.goto(failed)
        expect(admin.locator(".status-summary")).to_contain_text("Processed.")
        assert complaints == []

    def test_what_one_admin_resolved_the_other_cannot(
        self, tab: Page, chromium: Browser, site: Site, failed: str
    ) -> None:
        name = f"Second{next(_numbers)}"
        site.clerk_api("POST", "/local/users", {"first_name": name, "last_name": "Admin", "roles": ["ADMIN"]})
        with operator(chromium, site, name) as other:
            tab.goto(failed)
            other.goto(failed)
            do(tab, "Mark as resolved", "Known and harmless")
            expect(tab.locator(".status-summary")).to_contain_text("Resolved by hand: Known and harmless")
            do(other, "Mark as resolved", "I would, too")
            expect(other.get_by_text("The event is already settled, so there is nothing to resolve.")).to_contain_text(
                ADMIN
            )


class TestAlerts:
    def test_an_alert_is_read_about_and_taken_on(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str, complaints: list[str]
    ) -> None:
        faulty_site.deliver_dead()
        faulty_site.wait_for("SELECT 1 FROM webhooks_alert WHERE rule = 'dead_events' AND resolved_at IS NULL")
        admin.goto(f"{site.app}/admin/webhooks/alert/")
        expect(admin.get_by_role("heading", level=1)).to_have_text("Alerts")
        assert violations(admin, axe) == []
        admin.get_by_role("link", name="Open", exact=True).click()
        admin.locator("#result_list").get_by_role("link", name="Dead events need attention").click()
        expect(admin.locator(".status-summary")).to_contain_text("Open.")
        assert violations(admin, axe) == []
        address = admin.url
        admin.get_by_role("link", name="Open the runbook").click()
        expect(admin.locator(".runbook")).to_contain_text("It is over")
        assert violations(admin, axe) == []
        admin.goto(address)
        admin.get_by_label("Note").fill("Looking at it")
        admin.get_by_role("button", name="Acknowledge").click()
        expect(admin.locator(".status-summary")).to_contain_text("Acknowledged.")
        expect(admin.locator(".facts")).to_contain_text("Looking at it")
        assert violations(admin, axe) == []
        admin.locator(".timeline a").first.click()
        expect(admin.locator(".status-summary")).to_contain_text("Dead.")
        assert complaints == []


class TestAuditLog:
    def test_a_row_is_found_read_and_taken_along(
        self, admin: Page, site: Site, faulty_site: FaultySite, axe: str, complaints: list[str]
    ) -> None:
        admin.goto(f"{site.app}/admin/audit/auditlog/")
        expect(admin.get_by_role("heading", level=1)).to_have_text("Audit log")
        assert violations(admin, axe) == []
        admin.get_by_role("link", name="Profile Created").click()
        assert set(rows(admin).locator(".field-action").all_inner_texts()) == {"Profile Created"}
        with admin.expect_download() as download:
            admin.get_by_role("button", name="CSV").click()
        assert download.value.suggested_filename.endswith(".csv")
        rows(admin).first.locator(".field-written_at a").click()
        expect(admin.get_by_text("View all rows about this user")).to_be_visible()
        assert violations(admin, axe) == []
        assert complaints == []
