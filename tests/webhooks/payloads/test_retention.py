"""Old payloads are emptied in batches, and nothing else is changed."""

from datetime import timedelta
from threading import Event, Thread

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.utils import timezone

from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.payloads import retention

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


def store_event(days: float) -> WebhookEvent:
    return event(timezone.now() - days * DAY, payload='{"personal": "data"}')


def kept_fields() -> set[int]:
    return set(WebhookEvent.objects.filter(payload__isnull=False).values_list("pk", flat=True))


def test_only_payloads_past_the_retention_period_are_emptied() -> None:
    old, recent = store_event(91), store_event(89)
    before = WebhookEvent.objects.values().get(pk=old.pk)
    assert retention.count_expired() == 1
    assert retention.empty_payloads() == 1
    assert kept_fields() == {recent.pk}
    assert WebhookEvent.objects.values().get(pk=old.pk) == before | {"payload": None}


@pytest.mark.parametrize(
    ("error", "left"),
    (
        ("IntegrityError: duplicate key\nDETAIL:  Key (email)=(zofia@example.com) already exists.", "IntegrityError"),
        ("Resolved by hand: Zofia wrote to us", "Resolved by hand"),
        ("The event does not name the deleted user.", "The event does not name the deleted user."),
        ("", ""),
    ),
)
def test_errors_are_reduced_to_their_kind(error: str, left: str) -> None:
    old, recent = store_event(91), store_event(89)
    WebhookEvent.objects.update(last_error=error)
    retention.empty_payloads()
    assert WebhookEvent.objects.get(pk=old.pk).last_error == left
    assert WebhookEvent.objects.get(pk=recent.pk).last_error == error


def test_many_batches_are_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 3)
    same = timezone.now() - 100 * DAY
    for _ in range(3):
        event(same, payload="x")
    for number in range(10):
        store_event(91 + number)
    assert retention.empty_payloads() == 13
    assert retention.empty_payloads() == 0
    assert kept_fields() == set()


def test_hourly_counts_are_kept() -> None:
    store_event(91)
    hourly_counts.aggregate()
    retention.empty_payloads()
    assert hourly_counts.aggregate() == 0
    assert sum(row.events for row in hourly_counts.totals(timezone.now() - 100 * DAY)) == 1


def test_locked_rows_are_skipped() -> None:
    locked, free = store_event(95), store_event(91)
    is_locked, done = Event(), Event()

    def lock_event() -> None:
        with transaction.atomic():
            WebhookEvent.objects.select_for_update().get(pk=locked.pk)
            is_locked.set()
            done.wait(10)
        connections.close_all()

    holder = Thread(target=lock_event)
    holder.start()
    is_locked.wait(10)
    try:
        assert retention.empty_payloads() == 1
    finally:
        done.set()
        holder.join()
    assert kept_fields() == {locked.pk}
    assert free.pk not in kept_fields()


def test_dry_run_prints_the_number_of_payloads(capsys: pytest.CaptureFixture[str]) -> None:
    store_event(91)
    call_command("empty_payloads", "--dry-run")
    assert capsys.readouterr().out.startswith("Would empty 1 payload of events received before ")
    assert len(kept_fields()) == 1
    call_command("empty_payloads")
    assert capsys.readouterr().out.startswith("Emptied 1 payload of events received before ")
    assert kept_fields() == set()
