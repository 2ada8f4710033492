"""Actions on single events: dry run, replay, resolve and fetch."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts import signals
from accounts.models import EndedSession, MetadataPush, User
from audit.log import Actor
from audit.models import AuditLog
from tests.helpers.factories import UserFactory
from tests.helpers.locks import hold_lock, short_lock_timeout
from tests.helpers.webhooks import WebhookClient
from tests.webhooks.inbox.test_retry_policy import ZOFIA, HandlerError, failed_event, failing_handlers
from webhooks.inbox import service as inbox
from webhooks.models import Attempt, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.replay import event_actions
from webhooks.replay.event_actions import ActingAdmin

pytestmark = pytest.mark.django_db

State = WebhookEvent.State
ZOSIA = ZOFIA.with_changes(first_name="Zosia", roles=["BUILDER"])


@pytest.fixture
def ngozi() -> ActingAdmin:
    return ActingAdmin(Actor(user=UserFactory.create(name="Ngozi", superuser=True)), "the instance id was wrong")


def only_event() -> WebhookEvent:
    return WebhookEvent.objects.get()


def all_rows() -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    with connection.cursor() as cursor:
        tables = sorted(connection.introspection.table_names(cursor))
        found = {}
        for table in tables:
            cursor.execute(f'SELECT t::text FROM "{table}" AS t ORDER BY 1')
            found[table] = cursor.fetchall()
    return found


def differences(result: event_actions.EventResult) -> list[tuple[str, str, Any, Any]]:
    return [(d.target, d.field, d.old, d.new) for d in result.differences]


# --- Dry runs ---


def test_dry_run_shows_the_changes_of_a_new_user(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    result = event_actions.dry_run(event.pk)
    assert (result.outcome, result.note) == (State.PROCESSED, "")
    assert ("user", "name", None, "Zofia Wąs") in differences(result)
    assert ("user", "roles", None, "BUILDER") in differences(result)
    assert ("builderprofile", "", None, "Profile Created") in differences(result)


def test_dry_run_shows_old_and_new_values(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA)
    with failing_handlers():
        webhook.updated(ZOSIA, svix_id="msg_2")
    event = WebhookEvent.objects.get(svix_id="msg_2")
    result = event_actions.dry_run(event.pk)
    assert ("user", "name", "Zofia Wąs", "Zosia Wąs") in differences(result)
    assert ("user", "roles", "CLIENT", None) in differences(result)
    assert result.reason == "clientprofile.archived_at, user.name, user.roles"


def test_dry_run_of_a_processed_event_shows_no_changes(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA)
    assert event_actions.dry_run(only_event().pk) == event_actions.EventResult(State.PROCESSED)


def test_dry_run_of_an_outdated_event_is_stale(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    webhook.updated(ZOSIA)
    assert event_actions.dry_run(event.pk).outcome == State.STALE


def test_dry_run_shows_the_error(webhook: WebhookClient) -> None:
    event = failed_event(webhook)
    with failing_handlers(KeyError("bug")):
        result = event_actions.dry_run(event.pk)
    assert (result.outcome, result.note, result.reason) == (State.FAILED, "KeyError: 'bug'", "internal: KeyError")
    webhook.post("{}", svix_id="msg_bad")
    result = event_actions.dry_run(WebhookEvent.objects.get(svix_id="msg_bad").pk)
    assert (result.outcome, result.reason) == (State.DEAD, "permanent: ClerkPayloadError")


def test_dry_run_shows_unaudited_changes(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA)
    with failing_handlers():
        webhook.updated(ZOFIA.with_changes(public_metadata={"roles": ["CLIENT"], "hourlyRate": 90}), svix_id="msg_2")
    found = differences(event_actions.dry_run(WebhookEvent.objects.get(svix_id="msg_2").pk))
    assert ("user", "clerk_metadata", {}, {"hourlyRate": 90}) in found
    assert any(target == "push to Clerk" for target, *_ in found)


def test_dry_run_of_unknown_event_is_gone(db: None) -> None:
    assert event_actions.dry_run(2**62).outcome == event_actions.GONE


def test_dry_run_without_payload_is_ignored_with_a_reason(webhook: WebhookClient) -> None:
    webhook.created(ZOFIA)
    WebhookEvent.objects.update(payload=None)
    result = event_actions.dry_run(only_event().pk)
    assert (result.outcome, result.reason) == (
        State.IGNORED,
        "The payload is no longer stored, so there is nothing to apply.",
    )


@pytest.mark.parametrize("kind", ("new", "changed", "failing", "at commit"))
@pytest.mark.django_db(transaction=True)
def test_dry_run_leaves_no_trace(webhook: WebhookClient, settings: Settings, kind: str) -> None:
    """No rows, jobs, counts or `on_commit` callbacks remain. The secret key is set so that pushes would be deferred."""
    settings.CLERK_SECRET_KEY = "sk_test_any"
    metadata = {"roles": ["BUILDER"], "hourlyRate": 90}
    if kind == "changed":
        webhook.created(ZOFIA)
    with failing_handlers():
        webhook.updated(ZOSIA.with_changes(public_metadata=metadata), svix_id="msg_2")
    event = WebhookEvent.objects.get(svix_id="msg_2")
    after_commit: list[str] = []

    def listen(**kwargs: Any) -> None:
        transaction.on_commit(lambda: after_commit.append("pushed"))
        calls.append("synced")
        if kind == "at commit":  # violates deferred constraints
            EndedSession.objects.create(session_id="sess_1", clerk_id="user_1", ended_at=datetime.now(UTC))
            connection.cursor().execute(
                "INSERT INTO accounts_metadatapush (user_id, state, revision, requested_at, next_attempt_at, attempts,"
                " last_error, bounces) VALUES (123456789, 'pending', 1, now(), now(), 0, '', 0)"
            )

    calls: list[str] = []
    before = all_rows()
    signals.users_synced.connect(listen)
    try:
        with failing_handlers() if kind == "failing" else transaction.atomic():
            result = event_actions.dry_run(event.pk)
    finally:
        signals.users_synced.disconnect(listen)
    assert all_rows() == before
    assert after_commit == []
    assert calls
    assert result.outcome == (State.FAILED if kind in ("failing", "at commit") else State.PROCESSED)
    if kind in ("new", "changed"):
        assert any(d.target == "push to Clerk" for d in result.differences)
        assert (
            event_actions.replay(event.pk, ActingAdmin(Actor(user=UserFactory.create()), "x")).outcome
            == State.PROCESSED
        )
        assert MetadataPush.objects.exists()  # the dry run must have changes to roll back


@pytest.mark.parametrize("table", ("webhooks_webhookevent", "accounts_user"))
@pytest.mark.django_db(transaction=True)
def test_dry_run_does_not_wait_for_locks(webhook: WebhookClient, database_url: str, table: str) -> None:
    webhook.created(ZOFIA)
    webhook.updated(ZOSIA, svix_id="msg_2")
    event = WebhookEvent.objects.get(svix_id="msg_2")
    with hold_lock(database_url, f"SELECT FROM {table} FOR UPDATE"):
        began = time.monotonic()
        result = event_actions.dry_run(event.pk)
    assert time.monotonic() - began < 2.5  # the default lock timeout is three seconds
    assert (result.outcome, result.note) == (
        event_actions.BUSY,
        "The event or its user is being changed by another process. Try again.",
    )
    with connection.cursor() as cursor:  # the short timeout ends with the dry run
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("3s",)


@pytest.mark.django_db(transaction=True)
def test_dry_runs_do_not_block_ingestion(webhook: WebhookClient) -> None:
    """New events of the same user arrive during repeated dry runs."""
    webhook.created(ZOFIA)
    webhook.updated(ZOSIA, svix_id="msg_2")
    event, over, outcomes = WebhookEvent.objects.get(svix_id="msg_2"), threading.Event(), []

    def repeat_dry_runs() -> None:
        while not over.is_set():
            outcomes.append(event_actions.dry_run(event.pk).outcome)
        connection.close()

    def took_s(number: int) -> float:
        began = time.monotonic()
        assert webhook.updated(ZOSIA.with_changes(timedelta(minutes=number), first_name=f"Z{number}")) == "processed"
        return time.monotonic() - began

    thread = threading.Thread(target=repeat_dry_runs)
    thread.start()
    try:
        slowest = max(took_s(number) for number in range(1, 21))
    finally:
        over.set()
        thread.join()
    assert len(outcomes) > 5
    assert slowest < 2.5  # the default lock timeout is three seconds


# --- Replays ---


def test_replay_applies_a_dead_event(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    WebhookEvent.objects.update(state=State.DEAD, next_attempt_at=None)
    assert event_actions.replay(event.pk, ngozi).outcome == State.PROCESSED
    event.refresh_from_db()
    assert (event.state, event.attempts, event.last_error) == (State.PROCESSED, 2, "")
    attempt = Attempt.objects.order_by("number").last()
    assert attempt
    assert (attempt.trigger, attempt.outcome) == ("replay", "processed")
    assert User.objects.filter(name="Zofia Wąs").exists()


def test_replay_is_audited_with_actor_and_reason(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    event_actions.replay(event.pk, ngozi, replay=7)
    row = AuditLog.objects.get(action="EVENT_REPLAYED")
    assert (row.actor_label, row.target) == ("Ngozi", f"webhooks.webhookevent:{event.pk}")
    assert row.details == {"note": "the instance id was wrong", "replay": 7}
    assert row.delivery == "msg_1"


@pytest.mark.django_db(transaction=True)
def test_failed_replay_is_audited_once(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    with failing_handlers(KeyError("bug")):
        assert event_actions.replay(event.pk, ngozi).outcome == State.FAILED
    event.refresh_from_db()
    assert (event.state, event.attempts) == (State.FAILED, 2)
    assert AuditLog.objects.filter(action="EVENT_REPLAYED").count() == 1
    assert not User.objects.filter(name="Zofia Wąs").exists()


def counted(model: type[Any]) -> list[Any]:
    return list(model.objects.order_by("id").values())


@pytest.mark.parametrize("came", ("stale", "ignored", "failed", "processed"))
def test_processed_event_stays_processed_and_counted(
    webhook: WebhookClient, ngozi: ActingAdmin, settings: Settings, came: str
) -> None:
    webhook.created(ZOFIA, svix_id="msg_1")
    if came == "stale":
        webhook.updated(ZOSIA)
    if came == "ignored":
        settings.CLERK_INSTANCE_ID = "ins_other"
    event, since = WebhookEvent.objects.get(svix_id="msg_1"), datetime.now(UTC) - timedelta(hours=1)
    totals, timings = hourly_counts.totals(since), hourly_counts.timings(since)
    before = WebhookEvent.objects.filter(pk=event.pk).values().get()
    if came == "failed":
        WebhookEvent.objects.filter(pk=event.pk).update(payload="{}")
        before["payload"] = "{}"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=3)):
        outcome = event_actions.replay(event.pk, ngozi).outcome
    assert outcome == ("dead" if came == "failed" else came)
    assert WebhookEvent.objects.filter(pk=event.pk).values().get() == before | {"attempts": 2}
    assert (hourly_counts.totals(since), hourly_counts.timings(since)) == (totals, timings)
    assert Attempt.objects.get(event=event).outcome == outcome
    assert not ProcrastinateJob.objects.filter(task_name="webhooks.inbox.service.retry_event").exists()


def test_replay_applies_a_wrongly_ignored_event(webhook: WebhookClient, ngozi: ActingAdmin, settings: Settings) -> None:
    settings.CLERK_INSTANCE_ID = "ins_wrong"
    assert webhook.created(ZOFIA) == "ignored"
    settings.CLERK_INSTANCE_ID = ""
    assert event_actions.replay(only_event().pk, ngozi).outcome == State.PROCESSED
    assert (only_event().state, only_event().last_error) == (State.PROCESSED, "")
    assert [(row.state, row.events) for row in hourly_counts.totals(datetime.now(UTC))] == [("processed", 1)]


def test_failed_replay_does_not_unsettle_an_event(
    webhook: WebhookClient, ngozi: ActingAdmin, settings: Settings
) -> None:
    settings.CLERK_INSTANCE_ID = "ins_wrong"
    webhook.created(ZOFIA)
    settings.CLERK_INSTANCE_ID = ""
    with failing_handlers():
        assert event_actions.replay(only_event().pk, ngozi).outcome == State.FAILED
    assert only_event().state == State.IGNORED
    assert not ProcrastinateJob.objects.exists()


def test_scheduled_retry_does_nothing_after_a_replay(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    event_actions.replay(event.pk, ngozi)
    before = WebhookEvent.objects.values().get()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        inbox.retry_event(event.pk)
    assert WebhookEvent.objects.values().get() == before


@pytest.mark.django_db(transaction=True)
def test_replay_of_a_locked_event_is_busy(webhook: WebhookClient, ngozi: ActingAdmin, database_url: str) -> None:
    event = failed_event(webhook)
    with short_lock_timeout(), hold_lock(database_url, "SELECT FROM webhooks_webhookevent FOR UPDATE"):
        assert event_actions.replay(event.pk, ngozi).outcome == event_actions.BUSY
    assert WebhookEvent.objects.get().attempts == 1
    assert not AuditLog.objects.filter(action="EVENT_REPLAYED").exists()


# --- Resolving ---


def test_resolved_event_is_not_retried(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    assert event_actions.resolve(event.pk, ngozi)
    event.refresh_from_db()
    assert (event.state, event.last_error) == (State.IGNORED, "Resolved by hand: the instance id was wrong")
    assert event.next_attempt_at is None
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        inbox.retry_event(event.pk)
    assert WebhookEvent.objects.get().state == State.IGNORED
    row = AuditLog.objects.get(action="EVENT_RESOLVED")
    assert row.actor_label == "Ngozi"
    assert row.details == {
        "state": ["failed", "ignored"],
        "note": "the instance id was wrong",
        "error": "internal: HandlerError",  # the message may quote personal data, and the log is never deleted
    }


def test_settled_event_cannot_be_resolved(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    event_actions.resolve(event.pk, ngozi)
    before = WebhookEvent.objects.values().get()
    assert not event_actions.resolve(event.pk, ngozi)
    assert not event_actions.resolve(2**62, ngozi)
    assert WebhookEvent.objects.values().get() == before
    assert AuditLog.objects.filter(action="EVENT_RESOLVED").count() == 1
    action = event_actions.last_action(event)
    assert action
    assert (action.action, action.actor_label) == ("EVENT_RESOLVED", "Ngozi")


def test_resolved_event_can_be_replayed(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    event = failed_event(webhook)
    event_actions.resolve(event.pk, ngozi)
    assert event_actions.replay(event.pk, ngozi).outcome == State.PROCESSED
    assert inbox.retry(event.pk) is None


def test_dry_run_truncates_long_errors(webhook: WebhookClient) -> None:
    event = failed_event(webhook, error=HandlerError("x\x00y" * 2000))
    assert len(event.last_error) == 2000
    with failing_handlers(HandlerError("x\x00y" * 2000)):
        assert len(event_actions.dry_run(event.pk).note) == 2000


def test_dry_run_shows_only_its_own_audit_rows(webhook: WebhookClient) -> None:
    """Audit rows of other deliveries are not included."""
    webhook.created(ZOFIA)
    for number in range(5):
        webhook.updated(ZOFIA.with_changes(timedelta(minutes=number + 1), first_name=f"Z{number}"))
    with failing_handlers():
        webhook.updated(ZOFIA.with_changes(timedelta(hours=1), first_name="Last"), svix_id="msg_last")
    found = differences(event_actions.dry_run(WebhookEvent.objects.get(svix_id="msg_last").pk))
    assert found == [("user", "name", "Z4 Wąs", "Last Wąs")]
