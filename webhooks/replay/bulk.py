"""Many events applied once more, or only tried: chosen once, done one by one by a worker, slowed down or stopped meanwhile.

Which events is written down when it is asked for, as batches of ids, so that what comes later is not among them and no
filter has to be kept. A worker takes some seconds' worth at a time and then leaves the rest to the next job, so that it can
be stopped, or killed, at any moment. How far it got is stored after each event; the one event that a killed worker may have
done without that being stored is known by its attempt.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from procrastinate.contrib.django import app as queue

from audit import log
from audit.log import Origin
from audit.models import AuditLog
from webhooks.models import Attempt, Replay, ReplayBatch, ReplayFinding, WebhookEvent
from webhooks.replay import event_actions
from webhooks.replay.event_actions import Trial, Who

Action, State = AuditLog.Action, Replay.State
#: Seconds that one job works, and ids in a batch.
SLICE_S, BATCH = 10.0, 1000
#: More events than this are not replayed at once; a narrower filter has to be found.
MOST_EVENTS = 500_000
#: Events whose findings are kept to be looked at, and reasons that are counted by name.
MOST_FINDINGS, MOST_GROUPS = 200, 50
OTHERS = "…"
KEPT = timedelta(days=1)
#: Puts the ids of a query into batches and tells how many there are in each.
CHOOSE = """
INSERT INTO webhooks_replaybatch (replay_id, number, event_ids)
SELECT %s, (place - 1) / {batch}, array_agg(id ORDER BY id)
FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM ({query}) AS found (id)) AS placed GROUP BY 2
RETURNING cardinality(event_ids)
"""
#: The ids of another replay that stand behind one of them.
BEHIND = """
SELECT id FROM (SELECT unnest(event_ids) AS id FROM webhooks_replaybatch WHERE replay_id = %s) AS taken WHERE id > %s
"""


class NotStarted(Exception):
    """A replay that cannot be; the message says why, to the person who asked."""


def start(
    events: QuerySet[WebhookEvent] | Replay, who: Who, *, dry_run: bool, words: str, per_second: int = 0
) -> Replay:
    """Have events replayed; a single one now, more of them by a worker.

    Args:
        events: which; or the dry run whose events they are; or a replay that was stopped, whose rest they are.
        words: which events, in words.
        per_second: at most so many; 0 for no limit.

    Raises:
        NotStarted: there are none, or too many, or another replay is under way.
    """
    try:
        replay = _create(events, who, dry_run=dry_run, filter=words, per_second=per_second)
    except IntegrityError:
        other = Replay.objects.active().filter(in_background=True, dry_run=dry_run).select_related("asked_by").first()
        name = f"{other}, which {other.asked_by} asked for," if other else "Another one"
        raise NotStarted(f"{name} is under way; wait until it is done, or cancel it.") from None
    if not replay.in_background:
        run(replay.pk)
        replay.refresh_from_db()
    return replay


def run(replay_id: int) -> None:
    """Go on with a replay for a while, and leave what is left to another job. One that is over is left alone."""
    if not Replay.objects.active().filter(pk=replay_id).update(state=State.RUNNING):
        return
    Replay.objects.filter(pk=replay_id, started_at=None).update(started_at=timezone.now())
    replay = Replay.objects.select_related("asked_by").get(pk=replay_id)
    try:
        _go_on(replay)
    except (OperationalError, InterfaceError):
        raise  # the database is away; the job is tried again
    except Exception as error:
        _end(replay, State.FAILED, f"{type(error).__name__}, see the log")
        raise


def is_to_continue(replay: Replay) -> bool:
    """Return whether one for real was stopped, its events are still known, and nobody went on with it yet."""
    is_stopped = not replay.dry_run and not replay.is_active and replay.done < replay.total
    return is_stopped and replay.batches.exists() and not Replay.objects.filter(rehearsal=replay).exists()


def set_pace(replay_id: int, per_second: int, who: Who) -> bool:
    """Change how fast a replay goes; return False if it is over."""
    with transaction.atomic():
        found = Replay.objects.active().select_for_update(of=["self"]).filter(pk=replay_id).first()
        if found is None:
            return False
        changes = {"per_second": (found.per_second, per_second)}
        Replay.objects.filter(pk=replay_id).update(per_second=per_second)
        _record(Action.REPLAY_CHANGED, found, who, changes=changes)
    return True


def cancel(replay_id: int, who: Who) -> bool:
    """Stop a replay after the event it is at; what was done stays. Return False if it is over."""
    with transaction.atomic():
        found = Replay.objects.active().select_for_update(of=["self"]).filter(pk=replay_id).first()
        if found is None:
            return False
        _end(found, State.CANCELLED)
        _record(Action.REPLAY_CHANGED, found, who, changes={"state": (found.state, State.CANCELLED)})
    return True


def forget_old() -> None:
    """Delete what replays found, and which events they had, a day after they are over; the counts stay."""
    old = Replay.objects.filter(finished_at__lt=timezone.now() - KEPT)
    ReplayFinding.objects.filter(replay__in=old).delete()
    ReplayBatch.objects.filter(replay__in=old).delete()


@transaction.atomic
def _create(events: QuerySet[WebhookEvent] | Replay, who: Who, **facts: Any) -> Replay:
    replay = Replay(asked_by=who.actor, why=who.why, **facts)
    if isinstance(events, Replay):
        # Whoever else goes on with it waits here, and then finds that it was done.
        earlier = Replay.objects.select_for_update().get(pk=events.pk)
        if not earlier.dry_run and not is_to_continue(earlier):
            raise NotStarted("Nothing is left of it, somebody goes on with it already, or it is older than a day.")
        replay.rehearsal = earlier
    replay.save()
    replay.total = _take(replay, events) if isinstance(events, Replay) else _choose(replay, events)
    if not replay.total:
        raise NotStarted("There are no such events any more.")
    if replay.total > MOST_EVENTS:
        raise NotStarted(f"These are more than {MOST_EVENTS:,} events; narrow the list first, by time for example.")
    replay.in_background = replay.total > 1
    replay.save()
    _record(Action.REPLAY_STARTED, replay, who, filter=replay.filter, events=replay.total, dry_run=replay.dry_run)
    if replay.in_background:
        _defer(replay)
    return replay


def _choose(replay: Replay, events: QuerySet[WebhookEvent]) -> int:
    try:
        query, parameters = events.order_by().values("pk")[: MOST_EVENTS + 1].query.sql_with_params()
    except EmptyResultSet:
        return 0
    return _put_into_batches(replay, query, parameters)


def _take(replay: Replay, earlier: Replay) -> int:
    """Take the very events of a dry run, or those that another replay did not get to."""
    return _put_into_batches(replay, BEHIND, (earlier.pk, 0 if earlier.dry_run else earlier.done_up_to))


def _put_into_batches(replay: Replay, query: str, parameters: tuple[Any, ...]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(CHOOSE.format(batch=BATCH, query=query), [replay.pk, *parameters])
        return sum(count for (count,) in cursor.fetchall())


def _go_on(replay: Replay) -> None:
    until, is_first = time.monotonic() + SLICE_S, True
    for event_id in _left(replay):
        began = time.monotonic()
        if not _may_go_on(replay):
            return
        if began > until and replay.in_background:
            _defer(replay)
            return
        trial = (_done_already(replay, event_id) if is_first else None) or _one(replay, event_id)
        if not _note(replay, event_id, trial):
            return  # it was cancelled meanwhile, or another worker has taken it over
        is_first = False
        if replay.per_second:
            time.sleep(max(0.0, 1 / replay.per_second - (time.monotonic() - began)))
    _end(replay, State.DONE)


def _may_go_on(replay: Replay) -> bool:
    """Return whether nobody has cancelled it, and learn how fast it may go now."""
    pace = Replay.objects.active().filter(pk=replay.pk).values_list("per_second", flat=True).first()
    replay.per_second = pace or 0
    return pace is not None


def _left(replay: Replay) -> Iterator[int]:
    """Yield the ids that are left, a batch at a time, however many there are."""
    for number in range(replay.done // BATCH, -(-replay.total // BATCH)):
        [ids] = replay.batches.filter(number=number).values_list("event_ids", flat=True)
        yield from (event_id for event_id in ids if event_id > replay.done_up_to)


def _one(replay: Replay, event_id: int) -> Trial:
    if replay.dry_run:
        return event_actions.dry_run(event_id)
    who = Who(replay.asked_by, Origin(AuditLog.Source.REQUEST), replay.why)
    return event_actions.replay(event_id, who, replay=replay.pk)


def _done_already(replay: Replay, event_id: int) -> Trial | None:
    """Return what this replay did with an event just before its worker was killed."""
    if replay.dry_run or replay.started_at is None:
        return None
    done = Attempt.objects.filter(event_id=event_id, via=Attempt.Via.REPLAY, started_at__gte=replay.started_at)
    attempt = done.order_by("number").first()
    return Trial(attempt.outcome, attempt.error) if attempt else None


@transaction.atomic
def _note(replay: Replay, event_id: int, trial: Trial) -> bool:
    """Store what came of an event; return False if the replay is not ours to go on with any more."""
    mine = Replay.objects.active().filter(pk=replay.pk, done_up_to=replay.done_up_to)
    counts, groups = dict(replay.counts), dict(replay.groups)
    counts[trial.outcome] = counts.get(trial.outcome, 0) + 1
    group = f"{trial.outcome}|{trial.reason}"
    group = group if group in groups or len(groups) < MOST_GROUPS else f"{trial.outcome}|{OTHERS}"
    groups[group] = groups.get(group, 0) + 1
    moved = {"counts": counts, "groups": groups, "done": replay.done + 1, "done_up_to": event_id}
    if not mine.update(**moved, progressed_at=timezone.now()):
        return False
    if _is_telling(replay, trial):
        _keep(replay, event_id, trial)
    for name, value in moved.items():
        setattr(replay, name, value)
    return True


def _is_telling(replay: Replay, trial: Trial) -> bool:
    """Return whether there is more to see than a count: of what was done for real, the log tells what it changed."""
    if replay.dry_run:
        return replay.done < MOST_FINDINGS
    return not replay.in_background or trial.outcome not in WebhookEvent.SETTLED


def _keep(replay: Replay, event_id: int, trial: Trial) -> None:
    if not replay.dry_run and replay.findings.count() >= MOST_FINDINGS:
        return
    differences = [difference._asdict() for difference in trial.differences]
    ReplayFinding.objects.create(
        replay=replay, event_id=event_id, outcome=trial.outcome, note=trial.note, differences=differences
    )


def _end(replay: Replay, state: Replay.State, error: str = "") -> None:
    ended = {"state": state, "error": error, "finished_at": timezone.now()}
    Replay.objects.active().filter(pk=replay.pk).update(**ended)


def _defer(replay: Replay) -> None:
    # Named, because the task imports this module. Jobs with one lock never run beside each other.
    job = queue.configure_task("webhooks.tasks.run_replay", lock=f"replay {replay.pk}")
    job.defer(replay_id=replay.pk)


def _record(action: AuditLog.Action, replay: Replay, who: Who, **facts: Any) -> None:
    log.record(action, actor=who.actor, target=replay, origin=who.origin, note=who.why, **facts)
