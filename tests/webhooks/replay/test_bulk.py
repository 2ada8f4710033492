"""Bulk replays and dry runs: selection, rate limit, cancellation and resuming."""

import resource
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, OperationalError, connection
from django.db.models import Count
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import signals
from accounts.models import User
from audit.log import Actor
from audit.models import AuditLog
from tests.helpers.factories import UserFactory
from tests.helpers.servers.processes import process, wait_until
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from webhooks import personal_data, tasks
from webhooks.models import Attempt, Replay, ReplayBatch, ReplayFinding, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.replay import bulk as replays
from webhooks.replay import event_actions
from webhooks.replay.bulk import ReplayNotStarted
from webhooks.replay.event_actions import ActingAdmin

pytestmark = pytest.mark.django_db

State = Replay.State
WORKER = ["manage.py", "procrastinate", "worker"]
ALL = WebhookEvent.objects.all
#: Field values of ignored events in the inbox.
MANY = """
INSERT INTO webhooks_webhookevent (svix_id, event_type, payload, state, attempts, deliveries, last_error, error_class,
    received_at, last_delivery_at, processed_at, duration, instance_id, headers, secret_fingerprint)
SELECT 'msg_' || n, 'role.created', '{"type": "role.created"}', 'ignored', 1, 1, '', '', now(), now(), now(),
    interval '1 ms', '', '{}', 'x' FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def ngozi() -> ActingAdmin:
    return ActingAdmin(Actor(user=UserFactory.create(name="Ngozi", superuser=True)), "the profiles were broken")


def create_failed_events(webhook: WebhookClient, count: int) -> list[WebhookEvent]:
    """Create failed events, each for a new user, and return them oldest first."""
    with failing_handlers():
        assert {webhook.created(person(first_name=f"P{n}", roles=["BUILDER"])) for n in range(count)} == {"failed"}
    return list(WebhookEvent.objects.unsettled().order_by("pk"))


def insert_ignored_events(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(MANY, [number])


def start(by: ActingAdmin, *, dry_run: bool = False, **options: Any) -> Replay:
    return replays.start(options.pop("events", ALL()), by, dry_run=dry_run, description="all events", **options)


def run_jobs(replay: Replay) -> Replay:
    """Run the jobs of a replay like a worker."""
    while jobs := list(ProcrastinateJob.objects.filter(task_name="webhooks.replay.bulk.run_replay", status="todo")):
        for job in jobs:
            ProcrastinateJob.objects.filter(pk=job.pk).delete()
            replays.run_replay(**job.args)
    replay.refresh_from_db()
    return replay


def jobs() -> list[dict[str, Any]]:
    found = ProcrastinateJob.objects.filter(task_name="webhooks.replay.bulk.run_replay")
    return list(found.values("args", "lock", "status"))


# --- Start and end ---


def test_single_event_is_replayed_immediately(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 1)
    replay = start(ngozi)
    assert (replay.state, replay.done, replay.total, replay.in_background) == (State.DONE, 1, 1, False)
    assert replay.counts == {"processed": 1}
    assert jobs() == []
    assert WebhookEvent.objects.get().state == "processed"


def test_several_events_are_replayed_by_a_worker(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 3)
    replay = start(ngozi)
    assert (replay.state, replay.done, replay.total) == (State.WAITING, 0, 3)
    assert jobs() == [{"args": {"replay_id": replay.pk}, "lock": f"replay {replay.pk}", "status": "todo"}]
    assert run_jobs(replay).state == State.DONE
    assert (replay.counts, replay.done) == ({"processed": 3}, 3)
    assert replay.finished_at is not None
    assert {event.state for event in ALL()} == {"processed"}
    assert User.objects.filter(name__startswith="P").count() == 3


def test_replay_is_audited_with_actor_selection_and_reason(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 2)
    replay = run_jobs(start(ngozi))
    row = AuditLog.objects.get(action="REPLAY_STARTED")
    assert (row.actor_label, row.target) == ("Ngozi", f"webhooks.replay:{replay.pk}")
    assert row.details == {
        "note": "the profiles were broken",
        "description": "all events",
        "events": 2,
        "dry_run": False,
    }
    each = AuditLog.objects.filter(action="EVENT_REPLAYED")
    assert [(row.actor_label, row.details) for row in each] == [
        ("Ngozi", {"note": "the profiles were broken", "replay": replay.pk})
    ] * 2


def test_events_are_replayed_oldest_first_without_later_ones(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    events = create_failed_events(webhook, 2)
    replay = start(ngozi)
    with failing_handlers():
        webhook.created(person())
    run_jobs(replay)
    attempts = Attempt.objects.filter(trigger="replay").order_by("pk")
    assert [attempt.event_id for attempt in attempts] == [event.pk for event in events]
    assert WebhookEvent.objects.unsettled().count() == 1


@pytest.mark.parametrize("events", (WebhookEvent.objects.none(), WebhookEvent.objects.filter(state="dead")))
def test_replay_without_events_is_not_started(ngozi: ActingAdmin, events: Any) -> None:
    with pytest.raises(ReplayNotStarted, match="No events match"):
        start(ngozi, events=events)
    assert not Replay.objects.exists()
    assert not AuditLog.objects.filter(action="REPLAY_STARTED").exists()


def test_too_many_events_are_rejected(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MAX_EVENTS", 5)
    insert_ignored_events(6)
    with pytest.raises(ReplayNotStarted, match="Narrow the list first"):
        start(ngozi)
    assert not ReplayBatch.objects.exists()


def test_one_bulk_replay_and_one_bulk_dry_run_at_a_time(ngozi: ActingAdmin) -> None:
    insert_ignored_events(3)
    first = start(ngozi)
    with pytest.raises(ReplayNotStarted, match=rf"Replay {first.pk}, requested by Ngozi, is still running"):
        start(ngozi)
    assert start(ngozi, dry_run=True).state == State.WAITING
    assert (
        start(ngozi, events=ALL().filter(svix_id="msg_1")).state == State.DONE
    )  # a single event can always be replayed
    assert len(jobs()) == 2
    run_jobs(first)
    assert start(ngozi).state == State.WAITING


def test_database_allows_only_one_bulk_replay_at_a_time(ngozi: ActingAdmin) -> None:
    facts = {
        "requested_by": ngozi.actor.user,
        "reason": "x",
        "description": "x",
        "dry_run": False,
        "in_background": True,
    }
    Replay.objects.create(**facts)
    with pytest.raises(IntegrityError):
        Replay.objects.create(**facts)


# --- Dry runs ---


def test_bulk_dry_run_shows_changes_without_applying_them(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    zofia = person(first_name="Zofia", roles=["BUILDER"])
    webhook.created(zofia)
    create_failed_events(webhook, 2)
    webhook.post("{}")
    with failing_handlers():
        webhook.updated(zofia.with_changes(first_name="Zosia"))
    before = list(ALL().values())
    replay = run_jobs(start(ngozi, dry_run=True))
    assert replay.counts == {"processed": 4, "dead": 1}
    new = "builderprofile, user.email, user.email_verified_at, user.name, user.roles"
    assert replay.groups == {
        "processed|": 1,
        "processed|user.name": 1,
        "dead|permanent: ClerkPayloadError": 1,
        f"processed|{new}": 2,
    }
    assert list(ALL().values()) == before
    assert [finding.outcome for finding in replay.findings.all()] == ["processed"] * 3 + ["dead", "processed"]
    last = replay.findings.last()
    assert last
    assert [(d["field"], d["old"], d["new"]) for d in last.differences] == [
        ("name", f"Zofia {zofia.last_name}", f"Zosia {zofia.last_name}")
    ]
    assert not User.objects.filter(name__startswith="P").exists()
    assert not AuditLog.objects.filter(action="EVENT_REPLAYED").exists()


def test_findings_are_limited_but_counts_are_complete(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MAX_FINDINGS", 2)
    insert_ignored_events(5)
    replay = run_jobs(start(ngozi, dry_run=True))
    assert (replay.findings.count(), replay.counts) == (2, {"ignored": 5})


def test_excess_reasons_share_one_count(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MAX_GROUPS", 2)
    reasons = iter("abcd")
    monkeypatch.setattr(
        event_actions, "dry_run", lambda pk: event_actions.EventResult("failed", error_kind=next(reasons))
    )
    insert_ignored_events(4)
    assert run_jobs(start(ngozi, dry_run=True)).groups == {"failed|a": 1, "failed|b": 1, "failed|…": 2}


def test_run_for_real_replays_exactly_the_events_of_the_dry_run(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 2)
    preview = run_jobs(start(ngozi, dry_run=True))
    with failing_handlers():
        webhook.created(person())
    replay = run_jobs(start(ngozi, events=preview))
    assert (replay.previous_run, replay.counts) == (preview, {"processed": 2})
    assert WebhookEvent.objects.unsettled().count() == 1


def test_findings_are_deleted_after_a_day(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 2)
    replay = run_jobs(start(ngozi, dry_run=True))
    replays.delete_expired_details()
    assert ReplayFinding.objects.count() == 2
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1, minutes=1)):
        tasks.delete_old_replay_details(0)
        assert not ReplayFinding.objects.exists()
        assert not ReplayBatch.objects.exists()
        with pytest.raises(ReplayNotStarted, match="No events match"):
            start(ngozi, events=replay)
    assert Replay.objects.get().counts == {"processed": 2}


def test_findings_of_an_erased_user_are_deleted_immediately(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    first, second = create_failed_events(webhook, 2)
    run_jobs(start(ngozi, dry_run=True))
    personal_data.erase(UserFactory.create(clerk_id=first.clerk_user_id))
    assert [finding.event for finding in ReplayFinding.objects.all()] == [second]


# --- While it runs ---


def test_job_stops_after_its_time_slice_and_defers_the_rest(
    ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "SLICE_S", -1.0)
    insert_ignored_events(3)
    replay = start(ngozi)
    ProcrastinateJob.objects.all().delete()
    replays.run(replay.pk)
    replay.refresh_from_db()
    assert (replay.state, replay.done, len(jobs())) == (State.RUNNING, 0, 1)
    monkeypatch.undo()
    assert run_jobs(replay).done == 3


def test_all_batches_of_ids_are_processed(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "BATCH_SIZE", 2)
    insert_ignored_events(5)
    replay = start(ngozi)
    assert [len(batch.event_ids) for batch in replay.batches.order_by("number")] == [2, 2, 1]
    assert run_jobs(replay).done == 5
    assert {event.attempts for event in ALL()} == {2}


def test_rate_limit_is_respected_and_can_be_changed(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            assert replays.set_rate_limit(replay.pk, 100, ngozi)

    monkeypatch.setattr("time.sleep", sleep)
    insert_ignored_events(4)
    replay = start(ngozi, rate_limit=2)
    assert run_jobs(replay).done == 4
    assert all(0.1 < wait <= 0.5 for wait in waits[:2])
    assert all(0 <= wait <= 0.01 for wait in waits[2:])
    row = AuditLog.objects.get(action="REPLAY_CHANGED")
    assert row.details == {"rate_limit": [2, 100], "note": "the profiles were broken"}


def test_cancelled_replay_stops_after_the_current_event(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_ignored_events(4)
    replay = start(ngozi, rate_limit=1)
    monkeypatch.setattr("time.sleep", lambda seconds: replays.cancel(replay.pk, ngozi))
    assert run_jobs(replay).state == State.CANCELLED
    assert (replay.done, ALL().filter(attempts=2).count()) == (1, 1)
    assert AuditLog.objects.get(action="REPLAY_CHANGED").changed_fields == ["state"]
    assert not replays.cancel(replay.pk, ngozi)
    assert not replays.set_rate_limit(replay.pk, 5, ngozi)
    replays.run_replay(replay.pk)
    assert Replay.objects.get().done == 1


def cancelled_replay(by: ActingAdmin, monkeypatch: pytest.MonkeyPatch, *, after: int) -> Replay:
    """Return a replay of all events that was cancelled after `after` events."""
    replay = start(by)
    done = iter(range(after))
    with monkeypatch.context() as patch:
        patch.setattr(replays, "GROUP_SIZE", 1)
        patch.setattr(
            replays, "_still_active", lambda replay: next(done, None) is not None or not replays.cancel(replay.pk, by)
        )
        replays.run_replay(replay.pk)
    return run_jobs(replay)


def test_resumed_replay_continues_after_the_last_event(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "BATCH_SIZE", 2)
    insert_ignored_events(7)
    first = cancelled_replay(ngozi, monkeypatch, after=3)
    assert (first.state, first.done) == (State.CANCELLED, 3)
    assert replays.can_resume(first)
    zoe = ActingAdmin(Actor(user=UserFactory.create(name="Zoe", superuser=True)), "the rest")
    rest = run_jobs(start(zoe, events=first))
    assert (rest.state, rest.done, rest.total, rest.previous_run) == (State.DONE, 4, 4, first)
    assert [batch.event_ids for batch in rest.batches.order_by("number")] == [
        [*ALL().order_by("pk").values_list("pk", flat=True)[3:5]],
        [*ALL().order_by("pk").values_list("pk", flat=True)[5:7]],
    ]
    assert set(Attempt.objects.values_list("event").annotate(n=Count("*")).values_list("n", flat=True)) == {1}
    actors = AuditLog.objects.filter(action="EVENT_REPLAYED").order_by("pk").values_list("actor_label", flat=True)
    assert [*actors] == ["Ngozi"] * 3 + ["Zoe"] * 4


def test_failed_replay_can_be_resumed(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_ignored_events(2)
    replay = start(ngozi)
    with monkeypatch.context() as patch:
        patch.setattr(event_actions, "replay_together", lambda event_ids: None)  # the function has the wrong signature
        with pytest.raises(TypeError):
            replays.run_replay(replay.pk)
    replay.refresh_from_db()
    assert replay.state == State.FAILED
    assert run_jobs(start(ngozi, events=replay)).done == 2


def test_complete_or_resumed_replay_cannot_be_resumed(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_ignored_events(3)
    first = cancelled_replay(ngozi, monkeypatch, after=1)
    rest = run_jobs(start(ngozi, events=first))
    for replay in (first, rest):
        assert not replays.can_resume(replay)
        with pytest.raises(ReplayNotStarted, match="it is complete, has already been resumed, or is older than a day"):
            start(ngozi, events=replay)
    assert Replay.objects.count() == 2


def test_replay_cannot_be_resumed_after_a_day(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_ignored_events(3)
    replay = cancelled_replay(ngozi, monkeypatch, after=1)
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1), tick=False):
        replays.delete_expired_details()
    assert not replays.can_resume(replay)


def test_job_of_unknown_replay_does_nothing(db: None) -> None:
    replays.run_replay(2**62)


def test_internal_error_fails_the_replay(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(pk: int) -> None:
        raise KeyError("ngozi@example.com")

    monkeypatch.setattr(event_actions, "dry_run", fail)
    insert_ignored_events(2)
    replay = start(ngozi, dry_run=True)
    with pytest.raises(KeyError):
        replays.run_replay(replay.pk)
    replay.refresh_from_db()
    assert (replay.state, replay.error) == (State.FAILED, "KeyError, see the log")


def test_lost_database_does_not_end_the_replay(ngozi: ActingAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(pk: int) -> None:
        raise OperationalError("unavailable")

    insert_ignored_events(2)
    replay = start(ngozi, dry_run=True)
    with monkeypatch.context() as patch:
        patch.setattr(event_actions, "dry_run", fail)
        with pytest.raises(OperationalError):
            replays.run_replay(replay.pk)
    assert run_jobs(replay).done == 2


def test_failed_events_have_findings(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 2)
    insert_ignored_events(1)
    with failing_handlers(KeyError("bug")):
        replay = run_jobs(start(ngozi))
    assert replay.counts == {"failed": 2, "ignored": 1}
    assert replay.groups == {"failed|internal: KeyError": 2, "ignored|": 1}
    assert [finding.note for finding in replay.findings.all()] == ["KeyError: 'bug'"] * 2


def test_hourly_counts_are_correct_after_replaying_everything(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    zofia = person()
    webhook.created(zofia)
    webhook.updated(zofia.with_changes(first_name="Newer"))
    create_failed_events(webhook, 2)
    hourly_counts.aggregate()
    replay = run_jobs(start(ngozi))
    assert replay.counts == {"processed": 3, "stale": 1}
    since = datetime.now(UTC) - timedelta(hours=1)
    assert sum(row.events for row in hourly_counts.totals(since) if row.state == "processed") == 4
    hourly_counts.aggregate()
    assert sum(row.events for row in hourly_counts.totals(since) if row.state == "processed") == 4


# --- Killed workers ---


def test_event_replayed_before_a_crash_is_not_replayed_again(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    """The worker was killed before it stored the progress."""
    first, second = create_failed_events(webhook, 2)
    replay = start(ngozi)
    Replay.objects.update(state=State.RUNNING, started_at=datetime.now(UTC))
    event_actions.replay(first.pk, ngozi, replay=replay.pk)
    assert run_jobs(replay).counts == {"processed": 2}
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.attempts, second.attempts) == (2, 2)
    assert AuditLog.objects.filter(action="EVENT_REPLAYED").count() == 2


@pytest.mark.django_db(transaction=True)
def test_another_worker_takes_over_after_a_kill_without_repeating_events(
    webhook: WebhookClient, ngozi: ActingAdmin, database_url: str, tmp_path: Path
) -> None:
    insert_ignored_events(40)
    replay = start(ngozi, rate_limit=25)

    def done() -> int:
        return Replay.objects.values_list("done", flat=True).get()

    with process(WORKER, database_url, tmp_path / "first.txt") as worker:
        wait_until(lambda: done() >= 5, "the first worker did not begin")
        worker.kill()
        worker.wait()
    assert done() < 40
    with process(WORKER, database_url, tmp_path / "second.txt"):
        wait_until(lambda: Replay.objects.get().state == State.DONE, "the second worker did not take over")
    replay.refresh_from_db()
    assert (replay.done, replay.counts) == (40, {"ignored": 40})
    assert {event.attempts for event in ALL()} == {2}
    assert AuditLog.objects.filter(action="EVENT_REPLAYED").count() == 40


# --- Large selections ---


@pytest.mark.django_db(transaction=True)
def test_selecting_100_000_events_is_fast_and_needs_little_memory(ngozi: ActingAdmin) -> None:
    insert_ignored_events(100_000)
    began = time.monotonic()
    replay = start(ngozi, dry_run=True)
    took_s = time.monotonic() - began
    assert (replay.total, replay.batches.count()) == (100_000, 100)
    assert took_s < 5
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = sum(1 for _ in replays._remaining_ids(replay))
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert seen == 100_000
    assert grown_kb < 20_000


# --- Groups ---


@pytest.mark.django_db(transaction=True)
def test_events_are_replayed_together(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 40)
    with CaptureQueriesContext(connection) as queries:
        assert run_jobs(start(ngozi)).counts == {"processed": 40}
    assert len(queries) < 120
    assert AuditLog.objects.filter(action="EVENT_REPLAYED").count() == 40
    assert set(ALL().values_list("state", "attempts")) == {("processed", 2)}


def test_failing_event_of_a_group_fails_alone(webhook: WebhookClient, ngozi: ActingAdmin) -> None:
    create_failed_events(webhook, 5)

    def fail(*, syncs: list[Any], **kwargs: object) -> None:
        if any(sync.user.clerk_id == worst for sync in syncs):
            raise KeyError("bug")

    worst = ALL().order_by("pk")[2].clerk_user_id
    signals.users_synced.connect(fail)
    try:
        assert run_jobs(start(ngozi)).counts == {"processed": 4, "failed": 1}
    finally:
        signals.users_synced.disconnect(fail)
    assert ALL().get(state="failed").clerk_user_id == worst
    assert AuditLog.objects.filter(action="EVENT_REPLAYED").count() == 5
