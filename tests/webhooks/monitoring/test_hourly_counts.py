"""Totals equal what counting every event would give, whatever happened since they were last counted."""

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
    """Store an event as the inbox does once it is applied."""
    facts = {"state": "processed", "processed_at": received_at + timedelta(seconds=1), **facts}
    facts |= {"svix_id": new_svix_id(), "received_at": received_at, "last_delivery_at": received_at}
    facts |= {"event_type": facts.get("event_type", "user.updated"), "secret_fingerprint": "x"}
    return WebhookEvent.objects.create(occurred_at=received_at - timedelta(seconds=2), **facts)


def raw() -> Counter[tuple[datetime, str, str]]:
    """Return how many deliveries there are of each kind, by looking at each event."""
    counted: Counter[tuple[datetime, str, str]] = Counter()
    for one in WebhookEvent.objects.all():
        counted[start_of_hour(one.received_at), one.event_type, one.state] += one.deliveries
    return counted


def totals() -> Counter[tuple[datetime, str, str]]:
    return Counter({row[:3]: int(row.deliveries) for row in hourly_counts.hourly(LONG_AGO)})


def test_before_the_first_count_everything_is_read_from_the_events(webhook: WebhookClient) -> None:
    assert hourly_counts.hourly(LONG_AGO) == []
    webhook.created(person())
    assert totals() == raw()
    assert not EventCount.objects.exists()


def test_what_is_counted_is_not_looked_at_again(webhook: WebhookClient) -> None:
    webhook.created(person())
    assert hourly_counts.aggregate() == 1
    EventCount.objects.update(deliveries=1000)
    assert sum(totals().values()) == 1000
    assert hourly_counts.aggregate() == 0


def test_an_hour_with_something_new_is_read_from_its_events(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW, tick=False):
        webhook.created(person())
        hourly_counts.aggregate()
        webhook.created(person())
    assert totals() == raw()


def test_repeats_and_retries_change_hours_that_were_counted(webhook: WebhookClient) -> None:
    zofia = person()
    with time_machine.travel(NOW, tick=False):
        webhook.created(zofia, svix_id="msg_repeated")
        with failing_handlers():
            assert webhook.created(person(), svix_id="msg_failed") == "failed"
    hourly_counts.aggregate()
    assert totals()[start_of_hour(NOW), "user.created", "failed"] == 1
    webhook.created(zofia, svix_id="msg_repeated")
    inbox.retry(WebhookEvent.objects.get(svix_id="msg_failed").pk)
    assert totals() == raw()
    assert totals()[start_of_hour(NOW), "user.created", "processed"] == 3
    hourly_counts.aggregate()
    assert totals() == raw()


def test_emptying_payloads_makes_no_hour_be_counted_anew(webhook: WebhookClient) -> None:
    webhook.created(person())
    hourly_counts.aggregate()
    WebhookEvent.objects.update(payload=None)
    assert hourly_counts.aggregate() == 0


def test_a_transaction_that_was_open_while_counting_is_not_missed() -> None:
    """Its row has a lower id and a lower transaction than others that were counted before it was committed."""
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
    assert totals() == raw()
    counted.set()
    writer.join()
    assert sum(raw().values()) == 2
    assert totals() == raw()
    hourly_counts.aggregate()
    assert totals() == raw()


def test_totals_are_right_after_any_history() -> None:
    random = Random(20261120)
    kinds, states = ("user.created", "user.updated", "session.created"), ("processed", "ignored", "stale")
    for _ in range(120):
        match random.choice(("event", "event", "repeat", "settle", "fold")):
            case "event":
                when = NOW - timedelta(minutes=random.randrange(600))
                event(when, event_type=random.choice(kinds), state=random.choice(states))
            case "repeat" if WebhookEvent.objects.exists():
                some = random.choice(WebhookEvent.objects.values_list("svix_id", flat=True))
                WebhookEvent.objects.count_repeat(some, NOW)
            case "settle" if WebhookEvent.objects.exists():
                WebhookEvent.objects.filter(pk=random.choice(WebhookEvent.objects.all()).pk).update(state="ignored")
            case "fold":
                hourly_counts.aggregate()
        assert totals() == raw()


def test_totals_are_right_while_events_come_and_hours_are_counted(svix: Svix) -> None:
    """Several workers of gunicorn take events in, repeats among them, while hours are counted over and over."""
    people = [person() for _ in range(40)]
    messages = [(samples.user_event("user.created", one), new_svix_id()) for one in people]
    messages += [(samples.user_event("user.updated", one.later(first_name="Nova")), new_svix_id()) for one in people]
    done = Event()

    def count_over_and_over() -> None:
        while not done.is_set():
            hourly_counts.aggregate()
        connections.close_all()

    def deliver() -> None:
        svix.deliver_at_once([*messages, *messages[::3]], threads=6)
        done.set()

    threads = [Thread(target=count_over_and_over), Thread(target=deliver)]
    for thread in threads:
        thread.start()
    seen = set()
    while not done.is_set():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            found = totals()
            assert found == raw()
        seen.add(found.total())
    for thread in threads:
        thread.join()
    assert len(seen) > 2  # it was looked at under way
    assert totals() == raw()
    assert totals().total() == len(messages) + len(messages[::3])


def test_percentiles_are_read_off_between_the_ends_of_their_bucket() -> None:
    for milliseconds in (3, 3, 3, 3, 3, 3, 3, 3, 3, 400):
        event(duration=timedelta(milliseconds=milliseconds))
    for fold in (False, True):
        if fold:
            hourly_counts.aggregate()
        apply = hourly_counts.timings(LONG_AGO)["apply"]
        assert sum(apply) == 10
        assert 0.002 <= (hourly_counts.percentile(apply, 0.5) or 0) <= 0.005
        assert 0.2 <= (hourly_counts.percentile(apply, 0.99) or 0) <= 0.5
    assert 2 <= (hourly_counts.percentile(hourly_counts.timings(LONG_AGO)["lag"], 0.5) or 0) <= 5


def test_of_nothing_there_is_no_percentile() -> None:
    assert hourly_counts.percentile(hourly_counts.timings(LONG_AGO)["lag"], 0.5) is None


def test_a_clock_that_is_ahead_of_clerks_gives_no_negative_lag() -> None:
    event(processed_at=NOW - timedelta(seconds=30))
    assert hourly_counts.timings(LONG_AGO)["lag"][0] == 1


def test_only_the_hours_asked_for_are_returned() -> None:
    event(NOW - timedelta(hours=5))
    event(NOW)
    for _ in range(2):
        assert [row.hour for row in hourly_counts.hourly(NOW - timedelta(hours=1))] == [start_of_hour(NOW)]
        assert sum(hourly_counts.timings(NOW - timedelta(hours=1))["apply"]) == 1
        hourly_counts.aggregate()


def test_reading_takes_one_statement_each_and_two_to_know_what_is_dirty() -> None:
    event()
    with CaptureQueriesContext(connection) as queries:
        dirty = hourly_counts.dirty_hours()
        hourly_counts.totals(LONG_AGO, dirty)
        hourly_counts.timings(LONG_AGO, dirty)
    assert len(queries) == 2 + 2
