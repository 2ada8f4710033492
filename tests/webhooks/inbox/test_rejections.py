"""Rejected requests are counted by cause and hour, and do not grow the database."""

from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.monitoring.test_hourly_counts import NOW
from webhooks.inbox import rejections as module
from webhooks.inbox.rejections import CAUSES, RejectionCounter
from webhooks.models import RejectionCount, WebhookEvent

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counter(monkeypatch: pytest.MonkeyPatch) -> RejectionCounter:
    """Install and return a new counter for this process."""
    fresh = RejectionCounter()
    monkeypatch.setattr("webhooks.views.rejection_counter", fresh)
    return fresh


def counted() -> dict[str, int]:
    return dict(RejectionCount.objects.values_list("cause", "requests"))


def test_forged_request_is_counted_and_not_stored(counter: RejectionCounter) -> None:
    forger = WebhookClient(secret="whsec_" + "c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIhISE=")
    for _ in range(3):
        assert forger.post({"type": "user.created"}).status_code == 400
    assert counted() == {}  # counting does not query the database
    counter.flush()
    assert counted() == {"bad_signature": 3}
    assert not WebhookEvent.objects.exists()


def test_each_cause_has_its_own_count(counter: RejectionCounter, webhook: WebhookClient, settings: Any) -> None:
    webhook.post({"type": "x"}, headers={"svix-timestamp": "1"})
    webhook.post({"type": "x"}, headers={"svix-signature": "v1"})
    webhook.post({"type": "x"}, headers={"svix-id": ""})
    webhook.post("x" * (512 * 1024 + 1))
    settings.CLERK_WEBHOOK_ALLOWED_IPS = ["198.51.100.1"]
    webhook.post({"type": "x"})
    counter.flush()
    assert counted() == {
        "stale_timestamp": 1,
        "malformed_headers": 1,
        "missing_headers": 1,
        "too_large": 1,
        "address_not_allowed": 1,
    }
    assert set(counted()) <= set(CAUSES)


def test_processes_share_one_row_per_hour(counter: RejectionCounter) -> None:
    with time_machine.travel(NOW, tick=False):
        for process in (counter, RejectionCounter()):
            process.count("bad_signature")
            process.flush()
    [row] = RejectionCount.objects.all()
    assert (row.hour, row.requests) == (NOW.replace(minute=0), 2)


def test_unknown_causes_share_one_row(counter: RejectionCounter) -> None:
    for number in range(100):
        counter.count(f"invented-{number}")
    counter.flush()
    assert counted() == {"other": 100}


def test_counts_are_kept_when_the_database_is_unavailable(
    counter: RejectionCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnavailableConnection:
        def cursor(self) -> Any:
            raise OperationalError("unavailable")

    counter.count("bad_signature")
    with monkeypatch.context() as patch:
        patch.setattr(module, "connection", UnavailableConnection())
        counter.flush()
    counter.count("bad_signature")
    counter.flush()
    assert counted() == {"bad_signature": 2}


def test_accepted_deliveries_are_not_counted(counter: RejectionCounter, webhook: WebhookClient) -> None:
    webhook.created(person())
    counter.flush()
    assert counted() == {}


@pytest.mark.django_db(transaction=True)
def test_count_is_written_without_a_later_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_DELAY_S", 0.2)
    counter = RejectionCounter()
    counter.count("bad_signature")
    timer = counter._timer
    assert timer is not None
    timer.join(10)
    assert counted() == {"bad_signature": 1}
    assert counter._timer is None
