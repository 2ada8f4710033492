"""Rejected requests are counted by cause and hour, and do not make the database grow."""

import re
from collections import Counter
from datetime import timedelta
from typing import Any, NoReturn

import psycopg
import pytest
import time_machine
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg_pool import PoolTimeout

from accounts.clerk import samples
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.locks import hold_lock, short_lock_timeout
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.monitoring.test_hourly_counts import NOW
from webhooks.inbox import background_counts as module
from webhooks.inbox import unavailable
from webhooks.inbox.rejections import CAUSES, MAX_SAMPLES, RejectionCounter
from webhooks.models import RejectedRequest, RejectionCount, WebhookEvent
from webhooks.models.events import WebhookEventQuerySet

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counter(monkeypatch: pytest.MonkeyPatch) -> RejectionCounter:
    """Install and return a new counter for this process."""
    fresh = RejectionCounter()
    monkeypatch.setattr("webhooks.views.rejection_counter", fresh)
    return fresh


class UnavailableConnection:
    def cursor(self) -> Any:
        raise OperationalError("unavailable")


def stored_counts() -> dict[str, int]:
    return dict(RejectionCount.objects.values_list("cause", "requests"))


def test_forged_request_is_counted_and_not_stored(counter: RejectionCounter) -> None:
    forger = WebhookClient(secret="whsec_" + "c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIhISE=")
    for _ in range(3):
        assert forger.post({"type": "user.created"}).status_code == 400
    assert stored_counts() == {}  # counting does not query the database
    counter.flush()
    assert stored_counts() == {"bad_signature": 3}
    assert not WebhookEvent.objects.exists()


def test_each_cause_has_its_own_count(counter: RejectionCounter, webhook: WebhookClient, settings: Any) -> None:
    webhook.post({"type": "x"}, at=timezone.now() - timedelta(minutes=10))
    webhook.post({"type": "x"}, headers={"svix-signature": "v1"})
    webhook.post({"type": "x"}, headers={"svix-id": ""})
    webhook.post("x" * (512 * 1024 + 1))
    settings.CLERK_WEBHOOK_ALLOWED_IPS = ["198.51.100.1"]
    webhook.post({"type": "x"})
    counter.flush()
    assert stored_counts() == {
        "stale_timestamp": 1,
        "malformed_headers": 1,
        "missing_headers": 1,
        "too_large": 1,
        "address_not_allowed": 1,
    }
    assert set(stored_counts()) <= set(CAUSES)
    assert RejectionCount.objects.get(cause="stale_timestamp").clock_offset_s in (600, 601)


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
    assert stored_counts() == {"other": 100}


def test_counts_are_kept_when_the_database_is_unavailable(
    counter: RejectionCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.count("bad_signature")
    with monkeypatch.context() as patch:
        patch.setattr(module, "connection", UnavailableConnection())
        counter.flush()
    counter.count("bad_signature")
    counter.flush()
    assert stored_counts() == {"bad_signature": 2}


def test_accepted_deliveries_are_not_counted(counter: RejectionCounter, webhook: WebhookClient) -> None:
    webhook.created(person())
    counter.flush()
    assert stored_counts() == {}


@pytest.mark.django_db(transaction=True)
def test_locked_row_is_counted(
    counter: RejectionCounter, webhook: WebhookClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zofia = person()
    webhook.created(zofia)
    with short_lock_timeout(), hold_lock(database_url, "SELECT FROM accounts_user FOR UPDATE"):
        assert webhook.post(samples.user_event("user.updated", zofia.with_changes())).status_code == 503
    counter.flush()
    assert stored_counts() == {"locked_row": 1}


@pytest.mark.parametrize(
    ("cause", "pool_size", "counted_as"),
    (
        pytest.param(PoolTimeout("no connection after 3 s"), 16, "pool_exhausted", id="all connections in use"),
        pytest.param(PoolTimeout("no connection after 3 s"), 1, "database_away", id="no connection can be opened"),
        pytest.param(psycopg.OperationalError("server closed the connection"), 16, "database_away", id="lost"),
        pytest.param(None, 16, "database_away", id="unknown"),
    ),
)
def test_unavailable_database_is_counted_by_cause(
    counter: RejectionCounter,
    webhook: WebhookClient,
    monkeypatch: pytest.MonkeyPatch,
    *,
    cause: Exception | None,
    pool_size: int,
    counted_as: str,
) -> None:
    def fail(*args: Any) -> NoReturn:
        raise OperationalError("unavailable") from cause

    class Pool:
        max_size = 16

        def get_stats(self) -> dict[str, int]:
            return {"pool_size": pool_size}

    with monkeypatch.context() as patch:
        patch.setattr(WebhookEventQuerySet, "count_repeats", fail)
        patch.setattr(unavailable, "_pool", Pool)
        assert webhook.post(samples.user_event("user.created", person())).status_code == 503
    counter.flush()
    assert stored_counts() == {counted_as: 1}


def test_missing_secret_is_counted(counter: RejectionCounter, webhook: WebhookClient, settings: Any) -> None:
    settings.CLERK_WEBHOOK_SECRETS = []
    assert webhook.post({"type": "x"}).status_code == 500
    counter.flush()
    assert stored_counts() == {"not_configured": 1}


@pytest.mark.django_db(transaction=True)
def test_counts_of_an_outage_are_written_without_a_later_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is unavailable during the first flush, and no other request follows."""
    monkeypatch.setattr(module, "FLUSH_DELAY_S", 0.01)
    counter = RejectionCounter()
    with monkeypatch.context() as patch:
        patch.setattr(module, "connection", UnavailableConnection())
        counter.count("database_away")
        first = counter._timer
        assert first is not None
        first.join(10)
    while counter._timer is not None:
        counter._timer.join(10)
    assert stored_counts() == {"database_away": 1}


@pytest.mark.django_db(transaction=True)
def test_count_is_written_without_a_later_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_DELAY_S", 0.2)
    counter = RejectionCounter()
    counter.count("bad_signature")
    timer = counter._timer
    assert timer is not None
    timer.join(10)
    assert stored_counts() == {"bad_signature": 1}
    assert counter._timer is None


class TestSamples:
    """The last hundred requests for each cause are stored without bodies."""

    def test_rejected_request_is_stored_with_address_size_and_note(
        self, counter: RejectionCounter, webhook: WebhookClient
    ) -> None:
        webhook.post({"type": "x"}, at=timezone.now() - timedelta(seconds=900), REMOTE_ADDR="198.51.100.7")
        counter.flush()
        [sample] = RejectedRequest.objects.all()
        assert (sample.cause, sample.address, sample.size) == ("stale_timestamp", "198.51.100.7", len('{"type":"x"}'))
        assert re.fullmatch(r"signed 90\d s ago", sample.note)

    def test_flood_executes_as_many_statements_as_one_request(self, counter: RejectionCounter) -> None:
        for flood in (1, 5000):
            for number in range(flood):
                counter.count("bad_signature", address="198.51.100.7", size=number)
            with CaptureQueriesContext(connection) as queries:
                counter.flush()
            assert len(queries) == 5  # savepoint, count, insert, delete, release
        assert stored_counts() == {"bad_signature": 5001}
        assert RejectedRequest.objects.count() == MAX_SAMPLES
        assert RejectedRequest.objects.values_list("size", flat=True).first() == 4999

    def test_each_cause_keeps_its_own_samples(self, counter: RejectionCounter) -> None:
        counter.count("too_large", size=10**30)
        for _ in range(3):
            for _ in range(MAX_SAMPLES):
                counter.count("bad_signature")
            counter.flush()
        kept = Counter(RejectedRequest.objects.values_list("cause", flat=True))
        assert kept == {"bad_signature": MAX_SAMPLES, "too_large": 1}

    def test_samples_are_kept_when_the_database_is_unavailable(
        self, counter: RejectionCounter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counter.count("bad_signature", size=1)
        with monkeypatch.context() as patch:
            patch.setattr(module, "connection", UnavailableConnection())
            counter.flush()
        counter.count("bad_signature", size=2)
        counter.flush()
        assert [sample.size for sample in RejectedRequest.objects.all()] == [2, 1]

    def test_old_samples_are_deleted(self, counter: RejectionCounter) -> None:
        RejectedRequest.objects.create(cause="too_large", at=timezone.now() - timedelta(days=31), size=1)
        counter.count("bad_signature")
        counter.flush()
        assert [sample.cause for sample in RejectedRequest.objects.all()] == ["bad_signature"]

    def test_page_lists_requests_by_cause(self, counter: RejectionCounter) -> None:
        counter.count("bad_signature", address="198.51.100.7", size=12)
        counter.count("stale_timestamp", 900, address="198.51.100.8", size=13)
        counter.flush()
        admin = signed_in(UserFactory.create(admin=True))
        page = admin.get("/admin/webhooks/rejections/").content.decode()
        assert "198.51.100.7" in page
        assert "signed 900 s ago" in page
        only = admin.get("/admin/webhooks/rejections/?cause=stale_timestamp").content.decode()
        assert "198.51.100.7" not in only
