"""Attempts are stored for failures and retries, but not for successful first attempts."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import ZOFIA, HandlerError, failed_event, failing_handlers
from webhooks import personal_data
from webhooks.inbox import attempts
from webhooks.inbox import service as inbox
from webhooks.models import Attempt, WebhookEvent
from webhooks.payloads import retention

pytestmark = pytest.mark.django_db

State, ErrorClass, Trigger = WebhookEvent.State, WebhookEvent.ErrorClass, Attempt.Trigger
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def recorded_attempts() -> list[tuple[int, str, str, str]]:
    return list(Attempt.objects.order_by("number").values_list("number", "outcome", "error", "trigger"))


def test_successful_first_attempt_has_no_row_and_no_extra_query(webhook: WebhookClient) -> None:
    with CaptureQueriesContext(connection) as queries:
        webhook.created(person())
    webhook.post('{"type": "role.created"}')
    assert not Attempt.objects.exists()
    assert not [query for query in queries.captured_queries if "webhooks_attempt" in query["sql"]]


def test_repeated_delivery_of_settled_event_is_not_an_attempt(webhook: WebhookClient) -> None:
    zofia = person()
    for _ in range(2):
        webhook.created(zofia, svix_id="msg_1")
    assert not Attempt.objects.exists()


def test_failed_attempt_stores_time_duration_and_error(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW, tick=False):
        event = failed_event(webhook)
    row = Attempt.objects.get()
    assert (row.event, row.number, row.outcome, row.trigger) == (event, 1, State.FAILED, Trigger.DELIVERY)
    assert (row.started_at, row.duration) == (NOW, event.duration)
    assert (row.error_class, row.error) == (ErrorClass.INTERNAL, "HandlerError: half-way")
    assert row.traceback.startswith("Traceback (most recent call last):")
    assert row.traceback.rstrip().endswith("HandlerError: half-way")


def test_every_later_attempt_has_a_row_including_the_successful_one(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    failed_event(webhook)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        inbox.retry_event(event.pk)
    assert recorded_attempts() == [
        (1, State.FAILED, "HandlerError: half-way", Trigger.DELIVERY),
        (2, State.FAILED, "HandlerError: half-way", Trigger.DELIVERY),
        (3, State.PROCESSED, "", Trigger.RETRY),
    ]
    assert Attempt.objects.get(number=3).traceback == ""


def test_attempt_stores_its_trigger(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    inbox.retry(event.pk, trigger=Trigger.REPLAY)
    assert recorded_attempts()[-1] == (2, State.PROCESSED, "", Trigger.REPLAY)


def test_skipped_retry_has_no_row(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    assert inbox.retry(event.pk, only_if_due=True) is None
    assert len(recorded_attempts()) == 1


def test_unreadable_payload_is_a_dead_attempt(webhook: WebhookClient) -> None:
    webhook.post("no JSON")
    [(number, outcome, error, _)] = recorded_attempts()
    assert (number, outcome) == (1, State.DEAD)
    assert error == WebhookEvent.objects.get().last_error != ""


@pytest.mark.django_db(transaction=True)
def test_attempt_and_result_are_stored_atomically(webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    event = failed_event(webhook)
    record = attempts.record

    def fail(*args: Any, **kwargs: Any) -> None:
        record(*args, **kwargs)
        raise HandlerError("after the row")

    monkeypatch.setattr(attempts, "record", fail)
    with pytest.raises(HandlerError):
        inbox.retry(event.pk)
    assert len(recorded_attempts()) == 1
    assert WebhookEvent.objects.get().attempts == 1
    assert not User.objects.exists()


# --- Tracebacks ---


def raise_and_catch(error: Exception) -> Exception:
    secret = "hunter2" * 3
    try:
        if secret:
            raise error
    except type(error) as caught:
        return caught
    return error


def test_traceback_omits_values_of_variables() -> None:
    text = attempts.format_traceback(raise_and_catch(HandlerError("half-way")))
    assert "in raise_and_catch" in text
    assert "hunter2hunter2" not in text


def test_long_traceback_keeps_its_end() -> None:
    text = attempts.format_traceback(raise_and_catch(HandlerError("x" * 20_000 + " the end")))
    assert text.startswith(attempts.TRUNCATION_MARK)
    assert text.endswith(" the end\n")
    assert len(text) == attempts.MAX_TRACEBACK_LENGTH + len(attempts.TRUNCATION_MARK)


@pytest.fixture
def logging_disabled() -> Iterator[None]:
    """Disable logging, because pytest-xdist cannot transfer lone surrogates between processes."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("logging_disabled")
def test_characters_that_postgresql_cannot_store_are_replaced(webhook: WebhookClient) -> None:
    failed_event(webhook, error=HandlerError("\x00 and \ud800"))
    row = Attempt.objects.get()
    assert "HandlerError: \ufffd and ?" in row.traceback
    assert row.error == "HandlerError: \ufffd and ?"


@pytest.mark.usefixtures("logging_disabled")
def test_events_with_lone_surrogates_are_stored(webhook: WebhookClient) -> None:
    for number, body in enumerate(('{"type": "\\ud800"}', '{"type": "user.created", "data": {"id": "\\ud800"}}')):
        assert webhook.post(body, svix_id=f"msg_{number}").status_code == 200
    assert WebhookEvent.objects.count() == 2


# --- Retention and erasure ---


def test_retention_removes_errors_and_tracebacks(webhook: WebhookClient) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=91)):
        failed_event(webhook, svix_id="msg_old")
    failed_event(webhook, svix_id="msg_recent")
    assert retention.empty_payloads() == 1
    old, recent = Attempt.objects.order_by("pk")
    assert (old.error, old.traceback, old.error_class) == ("", "", ErrorClass.INTERNAL)
    assert recent.error
    assert recent.traceback


def test_empty_payloads_dry_run_keeps_traceback(webhook: WebhookClient) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=91)):
        failed_event(webhook)
    call_command("empty_payloads", "--dry-run")
    assert Attempt.objects.get().traceback


def test_erasing_a_user_removes_errors_and_tracebacks(webhook: WebhookClient) -> None:
    failed_event(webhook)
    webhook.created(ZOFIA)
    with failing_handlers():
        webhook.created(person(), svix_id="msg_other")
    personal_data.erase(User.objects.get(clerk_id=ZOFIA.clerk_id))
    erased, other = Attempt.objects.order_by("pk")
    assert (erased.error, erased.traceback, erased.outcome) == ("", "", State.FAILED)
    assert other.traceback
