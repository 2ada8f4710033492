"""Failed events are rolled back completely and retried."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import signals
from accounts.clerk import samples
from accounts.clerk.fields import ClerkPayloadError
from accounts.models import User
from audit.models import AuditLog
from profiles import lifecycle
from profiles.models import BuilderProfile, ClientProfile
from tests.helpers.webhooks import WebhookClient, person
from webhooks.inbox import retry_policy
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

State, ErrorClass = WebhookEvent.State, WebhookEvent.ErrorClass

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ZOFIA = person(first_name="Zofia", last_name="Wąs", roles=["BUILDER", "CLIENT"])


class HandlerError(Exception):
    """An unexpected error in a handler."""


@contextmanager
def failing_handlers(error: Exception | None = None) -> Iterator[None]:
    """Make every user event fail after the user, audit rows and profiles were written."""

    def fail(**kwargs: Any) -> None:
        raise error or HandlerError("half-way")

    signals.roles_changed.connect(fail)
    signals.users_synced.connect(fail)
    try:
        yield
    finally:
        signals.roles_changed.disconnect(fail)
        signals.users_synced.disconnect(fail)


def failed_event(webhook: WebhookClient, *, svix_id: str = "msg_1", error: Exception | None = None) -> WebhookEvent:
    """Deliver a user.created event that fails, and return it."""
    with failing_handlers(error):
        assert webhook.created(ZOFIA, svix_id=svix_id) == "failed"
    return WebhookEvent.objects.get(svix_id=svix_id)


def assert_no_effect() -> None:
    for model in (User, BuilderProfile, ClientProfile, AuditLog):
        assert not model._default_manager.exists(), list(model._default_manager.values())


def assert_full_effect() -> None:
    assert [str(user) for user in User.objects.all()] == ["Zofia Wąs"]
    assert (BuilderProfile.objects.count(), ClientProfile.objects.count()) == (1, 1)
    actions = sorted(AuditLog.objects.exclude(action="EVENT_RETRIED").values_list("action", flat=True))
    assert actions == ["PROFILE_CREATED", "PROFILE_CREATED", "ROLE_ADDED", "ROLE_ADDED", "USER_CREATED"]


def test_repeated_delivery_restores_an_emptied_payload(webhook: WebhookClient) -> None:
    """Svix keeps bodies for 90 days, and PAYLOAD_RETENTION_DAYS may be shorter."""
    failed_event(webhook, error=DataError("too long"))
    WebhookEvent.objects.update(payload=None)
    assert webhook.created(ZOFIA, svix_id="msg_1") == "processed"
    assert_full_effect()
    assert WebhookEvent.objects.get().payload is None


def test_retry_of_event_without_payload_is_ignored(webhook: WebhookClient) -> None:
    [example, *_] = samples.examples()["email.created"]
    webhook.post(example, svix_id="msg_1")
    now = datetime.now(UTC)
    WebhookEvent.objects.update(
        state=State.FAILED, processed_at=None, next_attempt_at=now
    )  # as after a lost connection
    event = inbox.retry(WebhookEvent.objects.get().pk)
    assert event is not None
    assert event.state == State.IGNORED


# --- Rollback ---


def test_failing_handler_leaves_only_the_event_and_a_job(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW, tick=False):
        event = failed_event(webhook)
    assert_no_effect()
    assert (event.state, event.attempts, event.deliveries) == (State.FAILED, 1, 1)
    assert (event.error_class, event.last_error) == (ErrorClass.INTERNAL, "HandlerError: half-way")
    assert (event.received_at, event.processed_at) == (NOW, None)
    assert event.next_attempt_at == NOW + timedelta(seconds=30)
    assert event.clerk_user_id == ZOFIA.clerk_id
    assert event.payload == samples.encode(samples.user_event("user.created", ZOFIA))
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("webhooks.inbox.service.retry_event", {"event_id": event.pk})
    assert (job.status, job.scheduled_at) == ("todo", event.next_attempt_at)


@pytest.mark.django_db(transaction=True)
def test_partial_effect_is_never_committed(webhook: WebhookClient) -> None:
    failed_event(webhook)
    assert_no_effect()
    assert WebhookEvent.objects.get().state == State.FAILED
    assert ProcrastinateJob.objects.count() == 1


def test_failed_profile_creation_fails_the_event(webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> bool:
        raise HandlerError("no profile today")

    monkeypatch.setattr(lifecycle, "_insert", fail)
    assert webhook.created(ZOFIA) == "failed"
    assert_no_effect()


def test_database_error_fails_the_event(webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error aborts the transaction, so another transaction has to store the row."""

    def fail(*args: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        return True

    monkeypatch.setattr(lifecycle, "_insert", fail)
    assert webhook.created(ZOFIA) == "failed"
    event = WebhookEvent.objects.get()
    assert (event.state, event.error_class) == (State.DEAD, ErrorClass.PERMANENT)
    assert_no_effect()


def test_failed_update_does_not_change_the_user(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA)
    [before], rows = User.objects.values(), AuditLog.objects.count()
    with failing_handlers():
        assert webhook.updated(ZOFIA.with_changes(first_name="Mallory", roles=[])) == "failed"
    assert list(User.objects.values()) == [before]
    assert not BuilderProfile.objects.filter(archived_at__isnull=False).exists()
    assert AuditLog.objects.count() == rows


def test_error_texts_are_truncated_and_cleaned(webhook: WebhookClient) -> None:
    event = failed_event(webhook, error=HandlerError("\x00" + "x" * 10_000))
    assert event.last_error.startswith("HandlerError: \ufffdxxx")
    assert len(event.last_error) == 2000


def test_failed_event_is_stale_after_a_newer_one(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    assert webhook.updated(ZOFIA.with_changes(first_name="Zosia")) == "processed"
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1)):
        inbox.retry_event(event.pk)
    event.refresh_from_db()
    assert event.state == State.STALE
    assert User.objects.get().name == "Zosia Wąs"


# --- Repeated deliveries ---


def test_repeated_delivery_of_failed_event_succeeds(webhook: WebhookClient) -> None:
    failed_event(webhook, svix_id="msg_1")
    assert webhook.created(ZOFIA, svix_id="msg_1") == "processed"
    assert_full_effect()
    event = WebhookEvent.objects.get()
    assert (event.state, event.attempts, event.deliveries) == (State.PROCESSED, 2, 2)
    assert (event.last_error, event.error_class, event.next_attempt_at) == ("", "", None)
    assert event.processed_at is not None
    assert webhook.created(ZOFIA, svix_id="msg_1") == "duplicate"


def test_repeated_delivery_that_fails_again_waits_longer(webhook: WebhookClient) -> None:
    failed_event(webhook)
    with time_machine.travel(NOW, tick=False):
        event = failed_event(webhook)
    assert (event.attempts, event.deliveries) == (2, 2)
    assert event.next_attempt_at == NOW + timedelta(minutes=2)
    assert ProcrastinateJob.objects.filter(scheduled_at=event.next_attempt_at).count() == 1
    assert_no_effect()


# --- The retry job ---


def test_due_retry_succeeds(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=30)):
        inbox.retry_event(event.pk)
    assert_full_effect()
    event.refresh_from_db()
    assert (event.state, event.attempts, event.deliveries) == (State.PROCESSED, 2, 1)
    assert timedelta() < event.duration < timedelta(seconds=10)
    assert AuditLog.objects.filter(delivery="msg_1").count() == AuditLog.objects.count()


def test_due_retry_that_fails_again_schedules_another_job(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    with time_machine.travel(NOW, tick=False), failing_handlers(TimeoutError("still unavailable")):
        WebhookEvent.objects.update(next_attempt_at=NOW)
        inbox.retry_event(event.pk)
    event.refresh_from_db()
    assert (event.state, event.attempts, event.error_class) == (State.FAILED, 2, ErrorClass.TRANSIENT)
    assert event.next_attempt_at == NOW + timedelta(minutes=2)
    assert ProcrastinateJob.objects.filter(scheduled_at=event.next_attempt_at).count() == 1
    assert_no_effect()


@pytest.mark.django_db(transaction=True)
def test_retry_locks_out_deliveries_of_the_same_event(webhook: WebhookClient, database_url: str) -> None:
    event = failed_event(webhook)

    def compete(**kwargs: Any) -> None:
        with psycopg.connect(database_url) as other, pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SELECT FROM webhooks_webhookevent FOR KEY SHARE NOWAIT")
        seen.append(event.pk)

    seen: list[int] = []
    signals.users_synced.connect(compete)
    try:
        inbox.retry(event.pk)
    finally:
        signals.users_synced.disconnect(compete)
    assert seen == [event.pk]
    assert_full_effect()


def test_early_retry_job_does_nothing(webhook: WebhookClient) -> None:
    """Another attempt has rescheduled the event."""
    with time_machine.travel(NOW, tick=False):
        event = failed_event(webhook)
        before = WebhookEvent.objects.values().get()
    with time_machine.travel(NOW + timedelta(seconds=28), tick=False):
        inbox.retry_event(event.pk)
    assert WebhookEvent.objects.values().get() == before
    assert ProcrastinateJob.objects.count() == 1
    assert_no_effect()


@pytest.mark.parametrize("body", ("{}", '{"type": "role.created"}'), ids=("dead", "ignored"))
def test_retry_job_of_unscheduled_event_does_nothing(webhook: WebhookClient, body: str) -> None:
    webhook.post(body)
    before = WebhookEvent.objects.values().get()
    inbox.retry_event(before["id"])
    assert WebhookEvent.objects.values().get() == before


def test_retry_job_of_settled_event_does_nothing(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    webhook.created(ZOFIA, svix_id="msg_1")
    before = WebhookEvent.objects.values().get()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1)):
        inbox.retry_event(event.pk)
    assert WebhookEvent.objects.values().get() == before
    assert_full_effect()


def test_retry_job_of_unknown_event_raises(db: None) -> None:
    with pytest.raises(WebhookEvent.DoesNotExist):
        inbox.retry_event(2**62)


# --- Error classes and retry schedule ---


@pytest.mark.parametrize(
    ("error", "error_class", "state"),
    (
        pytest.param(OperationalError("unavailable"), ErrorClass.TRANSIENT, State.FAILED, id="OperationalError"),
        pytest.param(InterfaceError("unavailable"), ErrorClass.TRANSIENT, State.FAILED, id="InterfaceError"),
        pytest.param(IntegrityError("duplicate"), ErrorClass.TRANSIENT, State.FAILED, id="IntegrityError"),
        pytest.param(TimeoutError("slow"), ErrorClass.TRANSIENT, State.FAILED, id="TimeoutError"),
        pytest.param(ConnectionResetError("reset"), ErrorClass.TRANSIENT, State.FAILED, id="ConnectionError"),
        pytest.param(ImproperlyConfigured("unset"), ErrorClass.CONFIGURATION, State.FAILED, id="ImproperlyConfigured"),
        pytest.param(KeyError("bug"), ErrorClass.INTERNAL, State.FAILED, id="KeyError"),
        pytest.param(RecursionError("deep"), ErrorClass.INTERNAL, State.FAILED, id="RecursionError"),
        pytest.param(MemoryError(), ErrorClass.INTERNAL, State.FAILED, id="MemoryError"),
        pytest.param(DataError("too long"), ErrorClass.PERMANENT, State.DEAD, id="DataError"),
        pytest.param(ClerkPayloadError("?", reason="x"), ErrorClass.PERMANENT, State.DEAD, id="ClerkPayloadError"),
    ),
)
def test_errors_are_classified(
    webhook: WebhookClient, error: Exception, error_class: WebhookEvent.ErrorClass, state: WebhookEvent.State
) -> None:
    event = failed_event(webhook, error=error)
    assert (event.error_class, event.state) == (error_class, state)
    assert ProcrastinateJob.objects.count() == (state == State.FAILED)
    assert_no_effect()


def test_retry_delays_increase_and_add_up_to_about_a_day() -> None:
    assert list(retry_policy.RETRY_DELAYS) == sorted(retry_policy.RETRY_DELAYS)
    assert retry_policy.RETRY_DELAYS[0] <= timedelta(minutes=1)
    assert timedelta(hours=20) <= sum(retry_policy.RETRY_DELAYS, timedelta()) <= timedelta(hours=30)


def test_event_that_fails_for_a_day_is_dead(webhook: WebhookClient) -> None:
    waits: list[timedelta] = []
    with time_machine.travel(NOW, tick=False) as clock, failing_handlers():
        assert webhook.created(ZOFIA) == "failed"
        event = WebhookEvent.objects.get()
        while event.next_attempt_at is not None and len(waits) < 100:
            waits.append(event.next_attempt_at - datetime.now(UTC))
            clock.move_to(event.next_attempt_at)
            inbox.retry_event(event.pk)
            event.refresh_from_db()
    assert waits == list(retry_policy.RETRY_DELAYS)
    assert (event.state, event.error_class) == (State.DEAD, ErrorClass.INTERNAL)
    assert event.attempts == len(waits) + 1
    assert ProcrastinateJob.objects.count() == len(waits)
    assert_no_effect()


def test_dead_event_can_still_be_delivered_again(webhook: WebhookClient) -> None:
    """After the bug has been fixed, an operator or Svix can trigger another attempt."""
    event = failed_event(webhook)
    WebhookEvent.objects.update(state=State.DEAD, next_attempt_at=None, attempts=10)
    assert webhook.created(ZOFIA, svix_id=event.svix_id) == "processed"
    assert_full_effect()


# --- manage.py retry_event ---


def retry_event(*arguments: str) -> str:
    """Run the command and return its output."""
    out = StringIO()
    call_command("retry_event", *arguments, stdout=out)
    return out.getvalue()


def retried_at() -> list[tuple[str | None, str, str, int | None]]:
    rows = AuditLog.objects.filter(action=AuditLog.Action.EVENT_RETRIED)
    return list(rows.values_list("delivery", "target", "source", "actor"))


@pytest.mark.parametrize("by", ("pk", "svix_id"))
def test_retry_event_command_retries_immediately_and_is_audited(webhook: WebhookClient, by: str) -> None:
    event = failed_event(webhook)
    assert retry_event(str(getattr(event, by))) == "msg_1: processed\n"
    assert_full_effect()
    assert retried_at() == [("msg_1", f"webhooks.webhookevent:{event.pk}", "command", None)]


def test_retry_event_command_prints_the_error(webhook: WebhookClient) -> None:
    failed_event(webhook)
    with failing_handlers(KeyError("bug")):
        assert retry_event("msg_1") == "msg_1: failed KeyError: 'bug'\n"
    assert not User.objects.exists()
    assert list(AuditLog.objects.values_list("action", flat=True)) == ["EVENT_RETRIED"]


def test_retry_event_command_retries_a_dead_event(webhook: WebhookClient) -> None:
    failed_event(webhook, error=DataError("too long"))
    assert retry_event("msg_1") == "msg_1: processed\n"
    assert_full_effect()


def test_retry_event_command_retries_all_unsettled_events(webhook: WebhookClient) -> None:
    failed_event(webhook, svix_id="msg_1")
    webhook.post("{}", svix_id="msg_2")
    webhook.post('{"type": "role.created"}', svix_id="msg_3")
    lines = retry_event("--all").splitlines()
    assert sorted(line.partition(" ")[0] for line in lines) == ["msg_1:", "msg_2:"]
    assert WebhookEvent.objects.get(svix_id="msg_1").state == State.PROCESSED
    assert WebhookEvent.objects.get(svix_id="msg_2").state == State.DEAD
    assert sorted(row[0] or "" for row in retried_at()) == ["msg_1", "msg_2"]


def test_retry_event_command_without_unsettled_events_does_nothing(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA)
    assert retry_event("--all") == "There are no failed or dead events.\n"
    assert retried_at() == []


def test_retry_event_command_skips_a_settled_event(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA, svix_id="msg_1")
    before = WebhookEvent.objects.values().get()
    assert retry_event("msg_1") == "msg_1: skipped, already processed\n"
    assert WebhookEvent.objects.values().get() == before
    assert retried_at() == []


@pytest.mark.parametrize(
    "name", ("9" * 18, "msg_404", "9" * 40, "²", ""), ids=("id", "svix id", "digits", "²", "blank")
)
def test_retry_event_command_rejects_an_unknown_event_before_retrying_any(webhook: WebhookClient, name: str) -> None:
    failed_event(webhook)
    with pytest.raises(CommandError, match="There is no event"):
        retry_event("msg_1", name)
    assert_no_effect()


def test_retry_event_command_requires_events_or_all(db: None) -> None:
    with pytest.raises(CommandError, match="--all"):
        retry_event()


@pytest.mark.parametrize(
    ("error", "levels"),
    ((RuntimeError("bug"), ["ERROR", "WARNING"]), (OperationalError("unavailable"), ["WARNING", "WARNING"])),
)
def test_internal_error_is_logged_as_error_once_and_transient_error_as_warning(
    webhook: WebhookClient, caplog: pytest.LogCaptureFixture, error: Exception, levels: list[str]
) -> None:
    with failing_handlers(error):
        webhook.created(person())
        inbox.retry(WebhookEvent.objects.get().pk)
    assert [record.levelname for record in caplog.records if record.name == "webhooks.inbox.processing"] == levels
