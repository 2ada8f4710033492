"""The dashboard: overall status, event counts, links, and constant query counts."""

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django import app as queue

from accounts.models import IdentityConflict, MetadataPush, User
from core.times import start_of_hour
from tests.helpers.clients import HTMX, signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import AggregationProgress, Alert, AlertCheck, EventCount, RejectionCount, WebhookEvent
from webhooks.monitoring import alerts, hourly_counts, overall_status, rules, worker_starts
from webhooks.monitoring.dashboard import counts as dashboard
from webhooks.monitoring.health import measure

pytestmark = pytest.mark.django_db

#: These tests commit their data, because aggregation ignores changes of open transactions.
committed = pytest.mark.django_db(transaction=True)

URL = "/admin/webhooks/dashboard/"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam & Admin")
    return adam


@pytest.fixture(autouse=True)
def worker() -> None:
    """Register a worker whose heartbeat is recent at any frozen time."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")


@pytest.fixture
def operator() -> Client:
    """Return a client signed in with a password. It needs no session token, so time can be frozen."""
    return with_password()


def page(browser: Client, query: str = "", **headers: str) -> str:
    with time_machine.travel(NOW, tick=False):
        response = browser.get(URL + query, headers=headers)
    assert response.status_code == 200
    return str(response.content.decode())


def status_text(at: datetime = NOW) -> str:
    with time_machine.travel(at, tick=False):
        return overall_status.summarize(rules.evaluate(measure()), Alert.objects.open(), at).text


def counts(name: str, at: datetime = NOW) -> list[int]:
    return [
        cell.number
        for row in dashboard.build_table(at, dashboard.fetch_counts(at, "24h"))
        if row.name == name
        for cell in row.cells
    ]


def aggregate(at: datetime = NOW) -> None:
    with time_machine.travel(at, tick=False):
        hourly_counts.aggregate()


# --- Overall status ---


def test_status_is_unknown_without_events() -> None:
    assert status_text() == (
        "No problems found, but some checks have no data yet. "
        "No delivery has been received, so the clock was not compared. "
        "CLERK_INSTANCE_ID is not set, so events from other Clerk instances cannot be detected. No event has been received. "
        "CLERK_SECRET_KEY is not set, so Clerk cannot be checked. The diagnostic checks have not run within the last hour. "
        "The audit log has never been verified."
    )


def test_status_reports_missing_worker() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
    assert status_text() == "Action needed. No worker is running."


def test_status_reports_stale_counts() -> None:
    event(NOW - MINUTE)
    worker_starts.record(NOW - 6 * MINUTE)
    AlertCheck.objects.update(checked_at=NOW + 6 * MINUTE)
    assert "out of date" in status_text()
    aggregate(NOW)
    assert "out of date" not in status_text()
    assert status_text(NOW + 6 * MINUTE) == "Action needed. Event counts are out of date."


def test_status_reports_problems_before_alert_opens() -> None:
    event(NOW - MINUTE, state="dead", processed_at=None)
    aggregate()
    assert status_text() == "Action needed. Dead events need attention."


def test_retried_events_are_linked(operator: Client) -> None:
    event(timezone.now() - MINUTE, state="failed", processed_at=None, next_attempt_at=timezone.now())
    event(timezone.now() - MINUTE)
    text = page(operator)
    assert '<a id="signal-failure_rate" href="/admin/webhooks/webhookevent/?state=failed">' in text


def test_status_does_not_change_while_alert_stays_open() -> None:
    event(NOW - MINUTE, state="dead", processed_at=None)
    aggregate()
    with time_machine.travel(NOW, tick=False):
        alerts.check()
    first = status_text()
    event(NOW - MINUTE, state="dead", processed_at=None)
    aggregate()
    assert status_text() == first == "Action needed. Dead events need attention."


def test_acknowledged_alert_needs_attention() -> None:
    event(NOW - MINUTE, state="dead", processed_at=None)
    aggregate()
    with time_machine.travel(NOW, tick=False):
        alerts.check()
    Alert.objects.update(acknowledged_at=NOW)
    assert status_text() == "Problems acknowledged or snoozed. Dead events need attention."


def test_open_conflict_is_reported_for_review() -> None:
    create_conflict()
    assert status_text() == "Working, with items to review. Identity conflicts need a decision."


def create_conflict() -> IdentityConflict:
    user, other = UserFactory.create(name="<b>Olive</b>"), UserFactory.create()
    return IdentityConflict.objects.create(user=user, other=other, kind="several", email="olive@example.com")


# --- Counts ---


@committed
def test_each_period_counts_its_events() -> None:
    for age in (MINUTE, 59 * MINUTE, 61 * MINUTE, 22 * HOUR, 25 * HOUR, 6 * DAY, 8 * DAY, 29 * DAY, 31 * DAY):
        event(NOW - age)
    for is_aggregated in (False, True):
        if is_aggregated:
            aggregate()
        assert counts("received") == [2, 4, 6, 8]
        assert counts("processed") == [2, 4, 6, 8]


def test_states_duplicates_and_rejections_are_counted(webhook: WebhookClient) -> None:
    zofia = person()
    with time_machine.travel(NOW - MINUTE, tick=False):
        webhook.created(zofia, svix_id="msg_1")
        assert webhook.created(zofia, svix_id="msg_1") == "duplicate"
        webhook.post({"type": "unheard.of", "data": {"id": "x"}, "object": "event", "timestamp": 1})
        with failing_handlers():
            webhook.created(person())
    event(NOW - MINUTE, state="dead", processed_at=None)
    event(NOW - MINUTE, state="stale")
    RejectionCount.objects.create(hour=start_of_hour(NOW), cause="bad_signature", requests=7)
    found = {row.name: row.cells[0].number for row in dashboard.build_table(NOW, dashboard.fetch_counts(NOW, "24h"))}
    assert found == {
        "received": 6,
        "processed": 1,
        "ignored": 1,
        "stale": 1,
        "failed": 1,
        "dead": 1,
        "duplicate": 1,
        "rejected": 7,
    }


@committed
def test_counts_equal_raw_counts_after_any_history() -> None:
    for number in range(200):
        at = NOW - number * 17 * MINUTE
        event(at, state=("processed", "ignored", "stale")[number % 3], deliveries=1 + number % 4 // 3)
        if number % 60 == 0:
            aggregate()
    for row in dashboard.build_table(NOW, dashboard.fetch_counts(NOW, "24h")):
        for cell in row.cells:
            raw = WebhookEvent.objects.filter(received_at__gte=cell.since)
            if row.name in WebhookEvent.State.values:
                assert cell.number == raw.filter(state=row.name).count()
            elif row.name == "received":
                assert cell.number == sum(raw.values_list("deliveries", flat=True))


@committed
def test_aggregated_hours_are_not_recounted() -> None:
    event(NOW - 5 * HOUR)
    aggregate()
    EventCount.objects.update(events=1000, deliveries=1000)
    assert counts("received") == [0, 1000, 1000, 1000]


def test_chart_groups_rare_types_as_other() -> None:
    for number in range(8):
        for _ in range(8 - number):
            event(NOW - 3 * HOUR, event_type=f"type.{number}")
    for span, place in (("24h", -4), ("30d", -1)):
        chart = dashboard.build_chart(NOW, span, dashboard.fetch_counts(NOW, span))
        assert [name for name, _ in chart.series] == [*(f"type.{number}" for number in range(5)), "other"]
        assert chart.columns[place].cells == [8, 7, 6, 5, 4, 6]
        assert (chart.total, chart.top) == (36, 50)
        assert sum(float(part.height) for part in chart.columns[place].segments) == pytest.approx(
            36 / 50 * 160, abs=0.1
        )


@committed
def test_chart_and_timings_exclude_older_hours() -> None:
    event(NOW - 3 * DAY, event_type="type.old", duration=timedelta(seconds=9))
    event(NOW - HOUR, duration=timedelta(milliseconds=3))
    for is_aggregated in (False, True):
        if is_aggregated:
            aggregate()
        found = dashboard.fetch_counts(NOW, "24h")
        assert dashboard.build_chart(NOW, "24h", found).series == [("user.updated", 1)]
        assert (dashboard.build_timings(found)[0].seconds[-1] or 0) < 1


def test_chart_is_empty_without_events(operator: Client) -> None:
    text = page(operator)
    assert "No events in this period." in text
    assert "No problems found, but some checks have no data yet." in text


# --- Page ---


def test_page_links_to_items_that_need_attention(operator: Client) -> None:
    found = create_conflict()
    dead = event(NOW - MINUTE, state="dead", processed_at=None, last_error="<i>ValueError</i>")
    push = MetadataPush.objects.create(
        user=UserFactory.create(name="Pat & Push"), state="stopped", requested_at=NOW, next_attempt_at=NOW
    )
    with time_machine.travel(NOW, tick=False):
        alerts.check()
    text = page(operator)
    for url in (
        f"/admin/webhooks/webhookevent/{dead.pk}/change/",
        f"/admin/accounts/identityconflict/{found.pk}/change/",
        f"/admin/accounts/metadatapush/{push.pk}/change/",
        f"/admin/webhooks/alert/{Alert.objects.get(rule='dead_events').pk}/change/",
    ):
        assert f'href="{url}"' in text
    assert "Pat &amp; Push" in text
    assert "<i>ValueError" not in text


def test_oldest_unsettled_link_lists_that_event_first(operator: Client) -> None:
    dead = event(NOW - timedelta(hours=3), state="dead", processed_at=None)
    event(NOW - MINUTE, state="failed", processed_at=None, next_attempt_at=NOW)
    [url] = re.findall(r'id="oldest" href="([^"]*)"', page(operator))
    listed = operator.get(html.unescape(url)).content.decode()
    assert re.findall(r"webhookevent/(\d+)/change/", listed)[0] == str(dead.pk)


@pytest.mark.parametrize(
    ("facts", "tone"),
    (({}, "bad"), ({"acknowledged_at": NOW}, "attention"), ({"snoozed_until": NOW + MINUTE}, "attention")),
)
def test_alert_tone_shows_whether_it_is_handled(operator: Client, facts: dict[str, Any], tone: str) -> None:
    Alert.objects.create(rule="silence", summary="No events.", value=1, notified_value=1, worst_value=1, **facts)
    assert re.search(rf'<li class="is-{tone}">\s*<svg[^>]*><use href="[^"]*#{tone}"', page(operator))


def test_counts_link_to_their_events(operator: Client) -> None:
    event(NOW - MINUTE, state="ignored")
    links = re.findall(r'href="(/admin/webhooks/webhookevent/\?state=ignored[^"]*)"', page(operator))
    assert (
        links[0] == "/admin/webhooks/webhookevent/?state=ignored&amp;received_at__gte=2026-11-20T08%3A30%3A00%2B00%3A00"
    )
    assert len(links) == 4


def test_poll_returns_only_live_part(operator: Client) -> None:
    text = page(operator, **HTMX)
    assert "<html" not in text
    assert 'id="live"' in text


def test_poll_resends_status_only_when_changed(operator: Client) -> None:
    digest = re.findall(r"status=(\w+)", page(operator))[0]
    assert "hx-swap-oob" not in page(operator, f"?status={digest}", **HTMX)
    create_conflict()
    assert "hx-swap-oob" in page(operator, f"?status={digest}", **HTMX)


@pytest.mark.parametrize("span", ("1y", "24h'; --", "\x00"))
def test_unknown_time_range_shows_warning(operator: Client, span: str) -> None:
    response = operator.get(URL, {"span": span})
    assert "Unknown time range" in response.content.decode()


def test_poll_after_losing_role_redirects_to_login(adam: User) -> None:
    browser = signed_in(adam)
    assert browser.get(URL, headers=HTMX).status_code == 200
    User.objects.filter(pk=adam.pk).update(roles=[])
    response = browser.get(URL, headers={**HTMX, "hx-current-url": f"http://testserver{URL}?span=30d"})
    assert response["HX-Redirect"] == "/admin/login/?next=%2Fadmin%2Fwebhooks%2Fdashboard%2F%3Fspan%3D30d"
    assert response.content == b""
    assert browser.get(URL).status_code == 302


def test_poll_with_expired_token_is_unauthorized(adam: User) -> None:
    assert signed_in(adam, expired=True).get(URL, headers=HTMX).status_code == 401


def test_admin_index_links_to_dashboard(operator: Client) -> None:
    assert f'href="{URL}"' in operator.get("/admin/").content.decode()


#: Statements for the whole page and for a poll, including the session.
PAGE, POLLED = 40, 40


def count_queries(browser: Client, **headers: str) -> int:
    with CaptureQueriesContext(connection) as found:
        page(browser, **headers)
    return len([each for each in found if "SAVEPOINT" not in each["sql"]])  # the test itself is a transaction


def create_one_of_everything() -> None:
    for number in range(12):
        create_conflict()
        event(NOW - number * HOUR, state="dead", processed_at=None, event_type=f"type.{number}")
        pushed = {"state": "stopped", "requested_at": NOW, "next_attempt_at": NOW}
        MetadataPush.objects.create(user=UserFactory.create(), **pushed)
        RejectionCount.objects.create(hour=start_of_hour(NOW) - number * HOUR, cause="other", requests=3)
    with time_machine.travel(NOW, tick=False):
        alerts.check()


def test_query_count_does_not_depend_on_data(operator: Client) -> None:
    # Without events, no broken signal looks up its events.
    assert (count_queries(operator), count_queries(operator, **HTMX)) == (PAGE - 2, POLLED - 2)
    create_one_of_everything()
    assert (count_queries(operator), count_queries(operator, **HTMX)) == (PAGE, POLLED)
    aggregate()
    assert (count_queries(operator), count_queries(operator, **HTMX)) == (PAGE, POLLED)
    assert AggregationProgress.objects.exists()


def test_unscheduled_jobs_become_overdue() -> None:
    queue.configure_task("webhooks.inbox.service.retry_event").defer(event_id=1)
    queue.configure_task("webhooks.inbox.service.retry_event", schedule_in={"seconds": 1}).defer(event_id=2)
    queue.configure_task("webhooks.inbox.service.retry_event", schedule_in={"hours": 1}).defer(event_id=3)
    assert measure().overdue_jobs == 0
    with time_machine.travel(timezone.now() + 2 * MINUTE, tick=False):
        assert measure().overdue_jobs == 2


def test_every_link_resolves(operator: Client) -> None:
    """Django's admin redirects URLs with unknown filters to the unfiltered list with `?e=1`."""
    create_one_of_everything()
    links = {html.unescape(link) for link in re.findall(r'href="(/admin/[^"]+)"', page(operator, **HTMX))}
    assert len(links) > 20
    for link in links:
        response = operator.get(link)
        assert response.status_code == 200, (link, response.get("Location"))


def test_overall_status_mentions_open_alerts_of_solved_problems() -> None:
    now = timezone.now()
    alert = Alert(rule=Alert.Rule.CLERK, ok_since=now)
    status = overall_status.summarize({}, [alert], now)
    assert status.text == "All systems operational. Alerts for resolved problems are still open."
