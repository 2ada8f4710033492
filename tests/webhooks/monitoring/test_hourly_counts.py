"""Totals always equal a full count of all events, regardless of changes since the last aggregation."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event, Thread
from typing import Any

import pytest
import time_machine
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from accounts.clerk import samples
from core.times import start_of_hour
from tests.helpers.webhooks import Svix, WebhookClient, new_svix_id, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from webhooks.inbox import service as inbox
from webhooks.models import EventCount, WebhookEvent
from webhooks.monitoring import hourly_counts

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def event(received_at: datetime = NOW, **facts: Any) -> WebhookEvent:
    """Store a processed event."""
    facts = {"state": "processed", "processed_at": received_at + timedelta(seconds=1), **facts}
    facts |= {"svix_id": new_svix_id(), "received_at": received_at, "last_delivery_at": received_at}
    facts |= {"event_type": facts.get("event_type", "user.updated"), "secret_fingerprint": "x"}
    return WebhookEvent.objects.create(occurred_at=received_at - timedelta(seconds=2), **facts)


def count_events() -> Counter[tuple[datetime, str, str]]:
    """Count deliveries by reading every event."""
    counted: Counter[tuple[datetime, str, str]] = Counter()
    for row in WebhookEvent.objects.all():
        counted[start_of_hour(row.received_at), row.event_type, row.state] += row.deliveries
    return counted


def totals() -> Counter[tuple[datetime, str, str]]:
    return Counter({row[:3]: int(row.deliveries) for row in hourly_counts.hourly(LONG_AGO)})


def test_totals_are_read_from_events_before_first_aggregation(webhook: WebhookClient) -> None:
    assert hourly_counts.hourly(LONG_AGO) == []
    webhook.created(person())
    assert totals() == count_events()
    assert not EventCount.objects.exists()


def test_aggregated_hours_are_not_recounted(webhook: WebhookClient) -> None:
    webhook.created(person())
    assert hourly_counts.aggregate() == 1
    EventCount.objects.update(deliveries=1000)
    assert sum(totals().values()) == 1000
    assert hourly_counts.aggregate() == 0


def test_dirty_hour_is_read_from_its_events(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW, tick=False):
        webhook.created(person())
        hourly_counts.aggregate()
        webhook.created(person())
    assert totals() == count_events()


def test_repeats_and_retries_change_aggregated_hours(webhook: WebhookClient) -> None:
    zofia = person()
    with time_machine.travel(NOW, tick=False):
        webhook.created(zofia, svix_id="msg_repeated")
        with failing_handlers():
            assert webhook.created(person(), svix_id="msg_failed") == "failed"
    hourly_counts.aggregate()
    assert totals()[start_of_hour(NOW), "user.created", "failed"] == 1
    webhook.created(zofia, svix_id="msg_repeated")
    inbox.retry(WebhookEvent.objects.get(svix_id="msg_failed").pk)
    assert totals() == count_events()
    assert totals()[start_of_hour(NOW), "user.created", "processed"] == 3
    hourly_counts.aggregate()
    assert totals() == count_events()


def test_emptying_payloads_does_not_make_hours_dirty(webhook: WebhookClient) -> None:
    webhook.created(person())
    hourly_counts.aggregate()
    WebhookEvent.objects.update(payload=None)
    assert hourly_counts.aggregate() == 0


def test_transaction_open_during_aggregation_is_counted() -> None:
    """Its row has a lower ID and transaction ID than rows that were aggregated before the commit."""
    written, counted = Event(), Event()

    def write_slowly() -> None:
        with transaction.atomic():
            event()
            written.set()
            counted.wait(10)
        connections.close_all()

    writer = Thread(target=write_slowly)
    writer.start()
    written.wait(10)
    event()
    hourly_counts.aggregate()
    assert totals() == count_events()
    counted.set()
    writer.join()
    assert sum(count_events().values()) == 2
    assert totals() == count_events()
    hourly_counts.aggregate()
    assert totals() == count_events()


def test_totals_are_exact_after_any_history() -> None:
    random = Random(20261120)
    kinds, states = ("user.created", "user.updated", "session.created"), ("processed", "ignored", "stale")
    for _ in range(120):
        match random.choice(("event", "event", "repeat", "settle", "aggregate")):
            case "event":
                received_at = NOW - timedelta(minutes=random.randrange(600))
                event(received_at, event_type=random.choice(kinds), state=random.choice(states))
            case "repeat" if WebhookEvent.objects.exists():
                svix_id = random.choice(WebhookEvent.objects.values_list("svix_id", flat=True))
                WebhookEvent.objects.count_repeats([svix_id], NOW)
            case "settle" if WebhookEvent.objects.exists():
                WebhookEvent.objects.filter(pk=random.choice(WebhookEvent.objects.all()).pk).update(state="ignored")
            case "aggregate":
                hourly_counts.aggregate()
        assert totals() == count_events()


def test_totals_are_exact_during_concurrent_aggregation(svix: Svix) -> None:
    """Several gunicorn workers receive events and repeats while aggregation runs in a loop."""
    people = [person() for _ in range(40)]
    messages = [(samples.user_event("user.created", one), new_svix_id()) for one in people]
    messages += [
        (samples.user_event("user.updated", one.with_changes(first_name="Nova")), new_svix_id()) for one in people
    ]
    done = Event()

    def aggregate_repeatedly() -> None:
        while not done.is_set():
            hourly_counts.aggregate()
        connections.close_all()

    def deliver() -> None:
        svix.deliver_all([*messages, *messages[::3]], threads=6)
        done.set()

    threads = [Thread(target=aggregate_repeatedly), Thread(target=deliver)]
    for thread in threads:
        thread.start()
    seen = set()
    while not done.is_set():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            found = totals()
            assert found == count_events()
        seen.add(found.total())
    for thread in threads:
        thread.join()
    assert len(seen) > 2  # totals were read during the run
    assert totals() == count_events()
    assert totals().total() == len(messages) + len(messages[::3])


def test_percentiles_are_interpolated_within_bucket() -> None:
    for milliseconds in (3, 3, 3, 3, 3, 3, 3, 3, 3, 400):
        event(duration=timedelta(milliseconds=milliseconds))
    for is_aggregated in (False, True):
        if is_aggregated:
            hourly_counts.aggregate()
        apply = hourly_counts.timings(LONG_AGO)["apply"]
        assert sum(apply) == 10
        assert 0.002 <= (hourly_counts.percentile(apply, 0.5) or 0) <= 0.005
        assert 0.2 <= (hourly_counts.percentile(apply, 0.99) or 0) <= 0.5
    assert 2 <= (hourly_counts.percentile(hourly_counts.timings(LONG_AGO)["lag"], 0.5) or 0) <= 5


def test_percentile_of_empty_histogram_is_none() -> None:
    assert hourly_counts.percentile(hourly_counts.timings(LONG_AGO)["lag"], 0.5) is None


def test_negative_lag_counts_as_zero() -> None:
    event(processed_at=NOW - timedelta(seconds=30))
    assert hourly_counts.timings(LONG_AGO)["lag"][0] == 1


def test_hours_before_start_are_excluded() -> None:
    event(NOW - timedelta(hours=5))
    event(NOW)
    for _ in range(2):
        assert [row.hour for row in hourly_counts.hourly(NOW - timedelta(hours=1))] == [start_of_hour(NOW)]
        assert sum(hourly_counts.timings(NOW - timedelta(hours=1))["apply"]) == 1
        hourly_counts.aggregate()


def test_reading_takes_one_statement_each_plus_two_for_dirty_hours() -> None:
    event()
    with CaptureQueriesContext(connection) as queries:
        dirty = hourly_counts.dirty_hours()
        hourly_counts.totals(LONG_AGO, dirty)
        hourly_counts.timings(LONG_AGO, dirty)
    assert len(queries) == 2 + 2
