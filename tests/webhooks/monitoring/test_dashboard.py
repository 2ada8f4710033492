"""The dashboard says whether things are well and why, counts what came, and is the same whatever its size."""

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
from webhooks.models import AggregationProgress, Alert, EventCount, RejectionCount, WebhookEvent
from webhooks.monitoring import alerts, dashboard, hourly_counts, overall_status
from webhooks.monitoring.health import measure

pytestmark = pytest.mark.django_db

#: What a transaction has changed is not counted for good before it ends.
committed = pytest.mark.django_db(transaction=True)

URL = "/admin/webhooks/dashboard/"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WELL = "All systems operational."


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam & Admin")
    return adam


@pytest.fixture(autouse=True)
def worker() -> None:
    """Have a worker that beats, whatever the time is said to be."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")


@pytest.fixture
def operator() -> Client:
    """Return the browser of a local superuser, who is asked of no tokens, so that time may stand still."""
    return with_password()


def page(browser: Client, query: str = "", **headers: str) -> str:
    with time_machine.travel(NOW, tick=False):
        response = browser.get(URL + query, headers=headers)
    assert response.status_code == 200
    return str(response.content.decode())


def sentence(at: datetime = NOW) -> str:
    with time_machine.travel(at, tick=False):
        return overall_status.evaluate(measure(), Alert.objects.open()).text


def counts(name: str, at: datetime = NOW) -> list[int]:
    return [
        cell.number
        for row in dashboard.build_table(at, dashboard.fetch_counts(at, "24h"))
        if row.name == name
        for cell in row.cells
    ]


def fold(at: datetime = NOW) -> None:
    with time_machine.travel(at, tick=False):
        hourly_counts.aggregate()


# --- The sentence ---


def test_all_is_well_when_nothing_has_happened() -> None:
    assert sentence() == WELL


def test_it_never_says_well_without_a_worker() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
    assert sentence() == "Action needed. No worker is running."


def test_it_never_says_well_while_counts_are_stale() -> None:
    event(NOW - MINUTE)
    assert "out of date" in sentence()
    fold(NOW)
    assert sentence() == WELL
    assert sentence(NOW + 6 * MINUTE) == "Action needed. Event counts are out of date."


def test_what_can_be_seen_counts_before_an_alert_has_opened() -> None:
    event(NOW - MINUTE, state="dead", processed_at=None)
    fold()
    assert sentence() == "Action needed. Dead events need attention."


def test_an_alert_is_named_once_and_by_its_rule_so_that_only_news_is_announced() -> None:
    event(NOW - MINUTE, state="dead", processed_at=None)
    fold()
    with time_machine.travel(NOW, tick=False):
        alerts.check()
    first = sentence()
    event(NOW - MINUTE, state="dead", processed_at=None)
    fold()
    assert sentence() == first == "Action needed. Dead events need attention."


def test_trouble_that_somebody_takes_care_of_is_not_well_either() -> None:
    event(NOW - MINUTE, state="dead", processed_at=None)
    fold()
    with time_machine.travel(NOW, tick=False):
        alerts.check()
    Alert.objects.update(acknowledged_at=NOW)
    assert sentence() == "Problems acknowledged or snoozed. Dead events need attention."


def test_what_waits_for_a_person_is_said() -> None:
    conflict()
    assert sentence() == "Working, with items to review. Identity conflicts need a decision."


def conflict() -> IdentityConflict:
    user, other = UserFactory.create(name="<b>Olive</b>"), UserFactory.create()
    return IdentityConflict.objects.create(user=user, other=other, kind="several", email="olive@example.com")


# --- The figures ---


@committed
def test_each_stretch_counts_what_came_in_it() -> None:
    for age in (MINUTE, 59 * MINUTE, 61 * MINUTE, 22 * HOUR, 25 * HOUR, 6 * DAY, 8 * DAY, 29 * DAY, 31 * DAY):
        event(NOW - age)
    for folded in (False, True):
        if folded:
            fold()
        assert counts("received") == [2, 4, 6, 8]
        assert counts("processed") == [2, 4, 6, 8]


def test_every_state_duplicates_and_refused_requests_are_counted(webhook: WebhookClient) -> None:
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
def test_figures_equal_raw_counts_after_any_history() -> None:
    for number in range(200):
        at = NOW - number * 17 * MINUTE
        event(at, state=("processed", "ignored", "stale")[number % 3], deliveries=1 + number % 4 // 3)
        if number % 60 == 0:
            fold()
    for row in dashboard.build_table(NOW, dashboard.fetch_counts(NOW, "24h")):
        for cell in row.cells:
            raw = WebhookEvent.objects.filter(received_at__gte=cell.since)
            if row.name in WebhookEvent.State.values:
                assert cell.number == raw.filter(state=row.name).count()
            elif row.name == "received":
                assert cell.number == sum(raw.values_list("deliveries", flat=True))


@committed
def test_counted_hours_are_not_looked_at_again() -> None:
    event(NOW - 5 * HOUR)
    fold()
    EventCount.objects.update(events=1000, deliveries=1000)
    assert counts("received") == [0, 1000, 1000, 1000]


def test_columns_hold_each_type_and_the_rest_together() -> None:
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
def test_columns_and_times_are_of_no_hour_before_theirs() -> None:
    event(NOW - 3 * DAY, event_type="type.old", duration=timedelta(seconds=9))
    event(NOW - HOUR, duration=timedelta(milliseconds=3))
    for folded in (False, True):
        if folded:
            fold()
        found = dashboard.fetch_counts(NOW, "24h")
        assert dashboard.build_chart(NOW, "24h", found).series == [("user.updated", 1)]
        assert (dashboard.build_timings(found)[0].seconds[-1] or 0) < 1


def test_without_events_there_is_an_empty_chart(operator: Client) -> None:
    text = page(operator)
    assert "No events in this period." in text
    assert WELL in text


# --- The page ---


def test_it_names_what_needs_a_person_and_links_there(operator: Client) -> None:
    found = conflict()
    dead = event(NOW - MINUTE, state="dead", processed_at=None, last_error="<i>ValueError</i>")
    push = MetadataPush.objects.create(
        user=UserFactory.create(name="Pat & Push"), state="stopped", requested_at=NOW, next_attempt_at=NOW
    )
    with time_machine.travel(NOW, tick=False):
        alerts.check()
    text = page(operator)
    for address in (
        f"/admin/webhooks/webhookevent/{dead.pk}/change/",
        f"/admin/accounts/identityconflict/{found.pk}/change/",
        f"/admin/accounts/metadatapush/{push.pk}/change/",
        f"/admin/webhooks/alert/{Alert.objects.get(rule='dead_events').pk}/change/",
    ):
        assert f'href="{address}"' in text
    assert "Pat &amp; Push" in text
    assert "<i>ValueError" not in text


def test_the_oldest_unsettled_event_is_the_first_where_its_age_leads(operator: Client) -> None:
    dead = event(NOW - timedelta(hours=3), state="dead", processed_at=None)
    event(NOW - MINUTE, state="failed", processed_at=None, next_attempt_at=NOW)
    [address] = re.findall(r'id="oldest" href="([^"]*)"', page(operator))
    listed = operator.get(html.unescape(address)).content.decode()
    assert re.findall(r"webhookevent/(\d+)/change/", listed)[0] == str(dead.pk)


@pytest.mark.parametrize(
    ("facts", "tone"),
    (({}, "bad"), ({"acknowledged_at": NOW}, "attention"), ({"snoozed_until": NOW + MINUTE}, "attention")),
)
def test_an_alert_that_somebody_takes_care_of_looks_so(operator: Client, facts: dict[str, Any], tone: str) -> None:
    Alert.objects.create(rule="silence", summary="It is quiet.", value=1, notified_value=1, worst_value=1, **facts)
    assert re.search(rf'<li class="is-{tone}">\s*<svg[^>]*><use href="[^"]*#{tone}"', page(operator))


def test_figures_link_to_the_events_they_count(operator: Client) -> None:
    event(NOW - MINUTE, state="ignored")
    links = re.findall(r'href="(/admin/webhooks/webhookevent/\?state=ignored[^"]*)"', page(operator))
    assert (
        links[0] == "/admin/webhooks/webhookevent/?state=ignored&amp;received_at__gte=2026-11-20T08%3A30%3A00%2B00%3A00"
    )
    assert len(links) == 4


def test_polling_gets_the_moving_part_only(operator: Client) -> None:
    text = page(operator, **HTMX)
    assert "<html" not in text
    assert 'id="live"' in text


def test_the_sentence_is_sent_again_only_when_it_says_something_else(operator: Client) -> None:
    digest = re.findall(r"status=(\w+)", page(operator))[0]
    assert "hx-swap-oob" not in page(operator, f"?status={digest}", **HTMX)
    conflict()
    assert "hx-swap-oob" in page(operator, f"?status={digest}", **HTMX)


@pytest.mark.parametrize("span", ("1y", "24h'; --", "\x00"))
def test_nonsense_is_ignored_and_said(operator: Client, span: str) -> None:
    response = operator.get(URL, {"span": span})
    assert "Unknown time range" in response.content.decode()


def test_whoever_lost_the_role_is_moved_to_the_login_page_and_gets_no_figures(adam: User) -> None:
    browser = signed_in(adam)
    assert browser.get(URL, headers=HTMX).status_code == 200
    User.objects.filter(pk=adam.pk).update(roles=[])
    response = browser.get(URL, headers={**HTMX, "hx-current-url": f"http://testserver{URL}?span=30d"})
    assert response["HX-Redirect"] == "/admin/login/?next=%2Fadmin%2Fwebhooks%2Fdashboard%2F%3Fspan%3D30d"
    assert response.content == b""
    assert browser.get(URL).status_code == 302


def test_who_is_signed_out_is_asked_for_a_fresh_token_first(adam: User) -> None:
    assert signed_in(adam, expired=True).get(URL, headers=HTMX).status_code == 401


def test_every_page_of_the_admin_leads_there(operator: Client) -> None:
    assert f'href="{URL}"' in operator.get("/admin/").content.decode()


#: Statements of a whole page and of what is polled, whatever there is. The page asks for the session besides.
PAGE, POLLED = 23, 23


def queries(browser: Client, **headers: str) -> int:
    with CaptureQueriesContext(connection) as found:
        page(browser, **headers)
    return len(found)


def some_of_everything() -> None:
    for number in range(12):
        conflict()
        event(NOW - number * HOUR, state="dead", processed_at=None, event_type=f"type.{number}")
        pushed = {"state": "stopped", "requested_at": NOW, "next_attempt_at": NOW}
        MetadataPush.objects.create(user=UserFactory.create(), **pushed)
        RejectionCount.objects.create(hour=start_of_hour(NOW) - number * HOUR, cause="other", requests=3)
    with time_machine.travel(NOW, tick=False):
        alerts.check()


def test_it_takes_as_many_statements_whatever_there_is(operator: Client) -> None:
    assert (queries(operator), queries(operator, **HTMX)) == (PAGE, POLLED)
    some_of_everything()
    assert (queries(operator), queries(operator, **HTMX)) == (PAGE, POLLED)
    fold()
    assert (queries(operator), queries(operator, **HTMX)) == (PAGE, POLLED)
    assert AggregationProgress.objects.exists()


def test_jobs_for_at_once_that_nobody_takes_are_overdue_too() -> None:
    queue.configure_task("webhooks.tasks.retry_event").defer(event_id=1)
    queue.configure_task("webhooks.tasks.retry_event", schedule_in={"seconds": 1}).defer(event_id=2)
    queue.configure_task("webhooks.tasks.retry_event", schedule_in={"hours": 1}).defer(event_id=3)
    assert measure().overdue_jobs == 0
    with time_machine.travel(timezone.now() + 2 * MINUTE, tick=False):
        assert measure().overdue_jobs == 2


def test_every_link_leads_to_what_it_says(operator: Client) -> None:
    """The admin answers filters that it does not know with the whole list and `?e=1`."""
    some_of_everything()
    links = {html.unescape(link) for link in re.findall(r'href="(/admin/[^"]+)"', page(operator, **HTMX))}
    assert len(links) > 20
    for link in links:
        response = operator.get(link)
        assert response.status_code == 200, (link, response.get("Location"))
