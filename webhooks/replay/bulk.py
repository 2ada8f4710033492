"""Replays and dry runs of many events by a worker, with a rate limit and cancellation.

The IDs of the selected events are stored in batches when the replay is requested, so later events are not included
and the filter is not stored. A worker processes events for some seconds and then defers the rest to the next job, so a
replay can be cancelled, or its worker killed, at any time. Events are replayed in groups, and progress is stored after
each group. If a worker is killed before it has stored the progress, the attempts of the events show which ones were
replayed.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import IntegrityError, connection, transaction
from django.db.models import Func, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app as queue

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.outages import is_outage
from core.jobs import describe
from webhooks.inbox.retry_policy import JOB_RETRY
from webhooks.models import Attempt, Replay, ReplayBatch, ReplayFinding, WebhookEvent
from webhooks.replay import event_actions
from webhooks.replay.event_actions import ActingAdmin, EventResult

Action, State = AuditLog.Action, Replay.State
#: Maximum seconds per job, and number of IDs per batch.
SLICE_S, BATCH_SIZE = 10.0, 1000
#: Events per transaction of a replay without a rate limit.
GROUP_SIZE = 50
#: Larger selections are rejected.
MAX_EVENTS = 500_000
#: Maximum number of events with stored findings, and of reasons with a separate count.
MAX_FINDINGS, MAX_GROUPS = 200, 50
OTHER_REASONS = "…"
#: Time for which findings and event IDs are kept after a replay has ended.
DETAILS_RETENTION = timedelta(days=1)
#: Stores the IDs of a query in batches and returns the size of each batch.
INSERT_BATCHES = """
INSERT INTO webhooks_replaybatch (replay_id, number, event_ids)
SELECT %s, (place - 1) / {batch}, array_agg(id ORDER BY id)
FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM ({query}) AS found (id)) AS placed GROUP BY 2
RETURNING cardinality(event_ids)
"""
#: The IDs of another replay after the given ID.
IDS_AFTER = """
SELECT id FROM (SELECT unnest(event_ids) AS id FROM webhooks_replaybatch WHERE replay_id = %s) AS taken WHERE id > %s
"""


class ReplayNotStarted(Exception):
    """A replay could not be started. The message tells the admin why."""


def start(
    events: QuerySet[WebhookEvent] | Replay, by: ActingAdmin, *, dry_run: bool, description: str, rate_limit: int = 0
) -> Replay:
    """Replay a single event immediately, or queue a replay of several events for a worker.

    Args:
        events: the events, a dry run to repeat for real, or a stopped replay to resume.
        description: a description of the selection.
        rate_limit: events per second, or 0 for no limit.

    Raises:
        ReplayNotStarted: there are no events, or too many, or another replay is running.
    """
    try:
        replay = _create(events, by, dry_run=dry_run, description=description, rate_limit=rate_limit)
    except IntegrityError:
        running = Replay.objects.active().filter(in_background=True, dry_run=dry_run).select_related("requested_by")
        other = running.first()
        name = f"{other}, requested by {other.requested_by}," if other else "Another one"
        raise ReplayNotStarted(f"{name} is still running. Wait until it is done, or cancel it.") from None
    if not replay.in_background:
        run(replay.pk)
        replay.refresh_from_db()
    return replay


def run(replay_id: int) -> None:
    """Process a replay for some seconds and defer the rest to another job. Do nothing if it has ended."""
    if not Replay.objects.active().filter(pk=replay_id).update(state=State.RUNNING):
        return
    Replay.objects.filter(pk=replay_id, started_at=None).update(started_at=timezone.now())
    replay = Replay.objects.select_related("requested_by").get(pk=replay_id)
    try:
        _process_slice(replay)
    except Exception as error:
        if is_outage(error):
            raise  # the job is retried
        _finish(replay, State.FAILED, f"{type(error).__name__}, see the log")
        raise


def can_resume(replay: Replay) -> bool:
    """Return whether a replay was stopped early, still has its event IDs, has not been resumed and is not a dry run."""
    is_stopped = not replay.dry_run and not replay.is_active and replay.done < replay.total
    return is_stopped and replay.batches.exists() and not Replay.objects.filter(previous_run=replay).exists()


def set_rate_limit(replay_id: int, rate_limit: int, by: ActingAdmin) -> bool:
    """Change the rate limit of a replay. Return False if it has ended."""
    with transaction.atomic():
        replay = Replay.objects.active().select_for_update(of=["self"]).filter(pk=replay_id).first()
        if replay is None:
            return False
        changes = {"rate_limit": (replay.rate_limit, rate_limit)}
        Replay.objects.filter(pk=replay_id).update(rate_limit=rate_limit)
        _record(Action.REPLAY_CHANGED, replay, by, changes=changes)
    return True


def cancel(replay_id: int, by: ActingAdmin) -> bool:
    """Stop a replay after its current event. Applied events stay applied. Return False if it has ended."""
    with transaction.atomic():
        replay = Replay.objects.active().select_for_update(of=["self"]).filter(pk=replay_id).first()
        if replay is None:
            return False
        _finish(replay, State.CANCELLED)
        _record(Action.REPLAY_CHANGED, replay, by, changes={"state": (replay.state, State.CANCELLED)})
    return True


def delete_expired_details() -> None:
    """Delete the findings and event IDs of replays that ended more than a day ago. The counts are kept."""
    old = Replay.objects.filter(finished_at__lt=timezone.now() - DETAILS_RETENTION)
    ReplayFinding.objects.filter(replay__in=old).delete()
    ReplayBatch.objects.filter(replay__in=old).delete()


@transaction.atomic
def _create(events: QuerySet[WebhookEvent] | Replay, by: ActingAdmin, **fields: Any) -> Replay:
    replay = Replay(requested_by=by.actor.user, reason=by.reason, **fields)
    if isinstance(events, Replay):
        # A concurrent request to resume the same replay waits for this lock and is then rejected.
        earlier = Replay.objects.select_for_update().get(pk=events.pk)
        if not earlier.dry_run and not can_resume(earlier):
            raise ReplayNotStarted(
                "This replay cannot be resumed: it is complete, has already been resumed, or is older than a day."
            )
        replay.previous_run = earlier
    replay.save()
    replay.total = _copy_events(replay, events) if isinstance(events, Replay) else _select_events(replay, events)
    if not replay.total:
        raise ReplayNotStarted("No events match the selection any more.")
    if replay.total > MAX_EVENTS:
        raise ReplayNotStarted(f"The selection exceeds {MAX_EVENTS:,} events. Narrow the list first, such as by time.")
    replay.in_background = replay.total > 1
    replay.save()
    facts = {"description": replay.description, "events": replay.total, "dry_run": replay.dry_run}
    _record(Action.REPLAY_STARTED, replay, by, **facts)
    if replay.in_background:
        _defer(replay)
    return replay


def _select_events(replay: Replay, events: QuerySet[WebhookEvent]) -> int:
    try:
        query, parameters = events.order_by().values("pk")[: MAX_EVENTS + 1].query.sql_with_params()
    except EmptyResultSet:
        return 0
    return _insert_batches(replay, query, parameters)


def _copy_events(replay: Replay, earlier: Replay) -> int:
    """Copy all event IDs of a dry run, or the remaining ones of a stopped replay."""
    return _insert_batches(replay, IDS_AFTER, (earlier.pk, 0 if earlier.dry_run else earlier.last_event_id))


def event_ids(replay_id: int) -> QuerySet[Any, Any]:
    """Return the IDs of a replay's events. There are none from a day after the replay has ended."""
    batches = ReplayBatch.objects.filter(replay=replay_id)
    return batches.annotate(event=Func("event_ids", function="unnest")).values("event")


def _insert_batches(replay: Replay, query: str, parameters: tuple[Any, ...]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(INSERT_BATCHES.format(batch=BATCH_SIZE, query=query), [replay.pk, *parameters])
        return sum(count for (count,) in cursor.fetchall())


def _process_slice(replay: Replay) -> None:
    deadline, ids, may_be_recorded = time.monotonic() + SLICE_S, _remaining_ids(replay), True
    while group := list(islice(ids, _group_size(replay))):
        began = time.monotonic()
        if not _still_active(replay):
            return
        if began > deadline and replay.in_background:
            _defer(replay)
            return
        recorded = _unrecorded_results(replay, group) if may_be_recorded else {}
        if not _save_progress(replay, _process_events(replay, group, recorded)):
            return  # it was cancelled, or another worker has taken over
        may_be_recorded = bool(recorded)
        if replay.rate_limit:
            time.sleep(max(0.0, 1 / replay.rate_limit - (time.monotonic() - began)))
    _finish(replay, State.DONE)


def _group_size(replay: Replay) -> int:
    """Return how many events to replay together. Dry runs roll each event back."""
    return 1 if replay.dry_run or replay.rate_limit or not replay.in_background else GROUP_SIZE


def _still_active(replay: Replay) -> bool:
    """Return whether the replay has not been cancelled, and refresh its rate limit."""
    rate_limit = Replay.objects.active().filter(pk=replay.pk).values_list("rate_limit", flat=True).first()
    replay.rate_limit = rate_limit or 0
    return rate_limit is not None


def _remaining_ids(replay: Replay) -> Iterator[int]:
    """Yield the remaining IDs. Only one batch is loaded at a time, to limit memory use."""
    for number in range(replay.done // BATCH_SIZE, -(-replay.total // BATCH_SIZE)):
        [ids] = replay.batches.filter(number=number).values_list("event_ids", flat=True)
        yield from (event_id for event_id in ids if event_id > replay.last_event_id)


def _process_events(replay: Replay, ids: list[int], recorded: dict[int, EventResult]) -> dict[int, EventResult]:
    """Replay events together as far as possible, and the others alone. Those with a recorded result are skipped."""
    by = ActingAdmin(Actor(AuditLog.Source.REQUEST, user=replay.requested_by), replay.reason)
    waiting, results = [event_id for event_id in ids if event_id not in recorded], dict(recorded)
    if len(waiting) > 1:
        results |= event_actions.replay_together(waiting, by, replay=replay.pk)
    for event_id in ids:
        if event_id not in results:
            one = (
                event_actions.dry_run(event_id)
                if replay.dry_run
                else event_actions.replay(event_id, by, replay=replay.pk)
            )
            results[event_id] = one
    return {event_id: results[event_id] for event_id in ids}


def _unrecorded_results(replay: Replay, ids: list[int]) -> dict[int, EventResult]:
    """Return the results of events that were replayed just before the worker was killed."""
    if replay.dry_run or replay.started_at is None:
        return {}
    attempts = Attempt.objects.filter(event_id__in=ids, trigger=Attempt.Trigger.REPLAY)
    found = attempts.filter(started_at__gte=replay.started_at).order_by("-number")
    return {attempt.event_id: EventResult(attempt.outcome, attempt.error) for attempt in found}


@transaction.atomic
def _save_progress(replay: Replay, results: dict[int, EventResult]) -> bool:
    """Store the results of events. Return False if the replay has ended or another worker has taken over."""
    unchanged = Replay.objects.active().filter(pk=replay.pk, last_event_id=replay.last_event_id)
    counts, groups = dict(replay.counts), dict(replay.groups)
    for result in results.values():
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
        group = f"{result.outcome}|{result.reason}"
        group = group if group in groups or len(groups) < MAX_GROUPS else f"{result.outcome}|{OTHER_REASONS}"
        groups[group] = groups.get(group, 0) + 1
    done, last_event_id = replay.done + len(results), list(results)[-1]
    progress = {"counts": counts, "groups": groups, "done": done, "last_event_id": last_event_id}
    if not unchanged.update(**progress, progressed_at=timezone.now()):
        return False
    for event_id, result in results.items():
        if _needs_finding(replay, result):
            _save_finding(replay, event_id, result)
    for name, value in progress.items():
        setattr(replay, name, value)
    return True


def _needs_finding(replay: Replay, result: EventResult) -> bool:
    """Return whether to store details. The changes of successful replays are already in the audit log."""
    if replay.dry_run:
        return replay.done < MAX_FINDINGS
    return not replay.in_background or result.outcome not in WebhookEvent.SETTLED


def _save_finding(replay: Replay, event_id: int, result: EventResult) -> None:
    if not replay.dry_run and replay.findings.count() >= MAX_FINDINGS:
        return
    differences = [difference._asdict() for difference in result.differences]
    ReplayFinding.objects.create(
        replay=replay, event_id=event_id, outcome=result.outcome, note=result.note, differences=differences
    )


def _finish(replay: Replay, state: Replay.State, error: str = "") -> None:
    fields = {"state": state, "error": error, "finished_at": timezone.now()}
    Replay.objects.active().filter(pk=replay.pk).update(**fields)


def _defer(replay: Replay) -> None:
    # Jobs with the same lock never run concurrently.
    run_replay.configure(lock=f"replay {replay.pk}").defer(replay_id=replay.pk)


@queue.task(retry=JOB_RETRY)
@describe(
    _("Run a replay"),
    _("Replays the events that an admin selected. A failed job stops the replay, which can be resumed on its page."),
)
def run_replay(replay_id: int) -> None:
    run(replay_id)


def _record(action: AuditLog.Action, replay: Replay, by: ActingAdmin, **facts: Any) -> None:
    log.record(action, actor=by.actor, target=replay, note=by.reason, **facts)
