"""The inbox: receive verified deliveries, and retry, replay or dry-run stored events.

Deliveries that reach a process at the same time are committed together (webhooks.inbox.group_commit), in one transaction for
each group of event types that lock rows in the same order. Whatever cannot be processed together is processed alone, in the
thread that received it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app as queue

from core.jobs import Person, describe
from webhooks.inbox import delivery_log, handlers, processing, retry_policy
from webhooks.inbox.deliveries import Received, Sender, new_row, parse
from webhooks.inbox.group_commit import GroupCommit
from webhooks.inbox.processing import DuplicateDelivery, NotTogether, Parsed, Start, Work
from webhooks.inbox.retry_policy import JOB_RETRY
from webhooks.inbox.signatures import Delivery
from webhooks.inbox.unavailable import DATABASE_ERRORS, Unavailable
from webhooks.models import Attempt, WebhookEvent

State, Trigger = WebhookEvent.State, Attempt.Trigger
DUPLICATE = "duplicate"
#: Deliveries per transaction. Larger batches save little more, and their first delivery waits longer.
MAX_BATCH = 16
#: Seconds after which a delivery no longer waits for its batch. Longer than the lock timeout that ends a batch.
MAX_WAIT_S = 4.0
#: Dry runs use short timeouts so that they never block ingestion.
DRY_RUN_TIMEOUTS = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '2s'"


def receive(delivery: Delivery, sender: Sender) -> str:
    """Store and apply a verified delivery.

    Returns:
        The outcome: a state of WebhookEvent ("failed" also for dead events), or "duplicate" for a repeat of a settled
        event.

    Raises:
        Unavailable: the database cannot be reached, or a lock timed out. Nothing was stored.
    """
    received = Received(delivery, sender, parse(delivery.body))
    try:
        outcome = _group.submit(received) or _receive_alone(received)
    except DATABASE_ERRORS as error:
        raise Unavailable(error) from error
    delivery_log.write(delivery, received.parsed, outcome, time.perf_counter() - received.start.counter)
    return State.FAILED if outcome == State.DEAD else outcome


def receive_group(group: list[Received]) -> list[str | None]:
    """Store and apply deliveries together, and return their outcomes. None: the delivery must be received alone."""
    # The repeat of a delivery in the same group is received alone afterwards, when it is known as a repeat.
    first = {received.delivery.svix_id: received for received in reversed(group)}
    together = [r for r in group if first[r.delivery.svix_id] is r and not isinstance(r.parsed, Exception)]
    if len(group) == 1:
        outcomes = _receive_unlocked(group[0])
    else:
        outcomes = {}
        for part in _parts((received, received.parsed) for received in together):
            outcomes |= _outcomes(processing.process_together(partial(_claim, part), Trigger.DELIVERY) or [])
    return [outcomes.get(r.delivery.svix_id) if first[r.delivery.svix_id] is r else None for r in group]


def _parts[Item](items: Iterable[tuple[Item, Parsed]]) -> list[list[Item]]:
    """Split items, each with its event, into the transactions in which they are applied. See `handlers.stage_of`."""
    parts: dict[int, list[Item]] = defaultdict(list)
    for item, parsed in items:
        parts[handlers.stage_of(parsed)].append(item)
    return [parts[stage] for stage in sorted(parts)]


def _receive_unlocked(received: Received) -> dict[str, str]:
    """Receive a delivery unless that would mean waiting for its user, because the next group waits for this thread."""
    try:
        item = processing.process_one(partial(_claim, [received]), Trigger.DELIVERY, skip_locked=True)
    except (DuplicateDelivery, NotTogether):
        return {}
    return _outcomes([item] if item else [])


def _receive_alone(received: Received) -> str:
    claim = partial(_claim, [received])
    try:
        item = processing.process_one(claim, Trigger.DELIVERY)
    except DuplicateDelivery:  # rows are never deleted, so the second attempt finds it
        item = processing.process_one(claim, Trigger.DELIVERY)
    [outcome] = _outcomes([item] if item else []).values()
    return outcome


def _claim(group: Collection[Received]) -> list[Work]:
    """Count and lock the events that are repeats, and prepare the rows of the others."""
    known = WebhookEvent.objects.count_repeats([received.delivery.svix_id for received in group], timezone.now())
    work = []
    for received in group:
        event = known.get(received.delivery.svix_id)
        if event:
            event.attempts += 1
        is_duplicate = event is not None and event.is_settled
        work.append(Work(event or new_row(received), received.parsed, received.start, is_duplicate))
    return work


def _outcomes(work: list[Work]) -> dict[str, str]:
    return {item.event.svix_id: DUPLICATE if item.is_duplicate else item.event.state for item in work}


_group = GroupCommit(receive_group, max_items=MAX_BATCH, max_wait_s=MAX_WAIT_S)


def retry(event_id: int, *, only_if_due: bool = False, trigger: Attempt.Trigger = Trigger.RETRY) -> WebhookEvent | None:
    """Try a stored event again.

    Args:
        only_if_due: skip the event if its next attempt is in the future because another attempt has moved the schedule.
        trigger: the cause of the attempt, for its row.

    Returns:
        The event after the attempt, or None if it was already settled or not due.

    Raises:
        WebhookEvent.DoesNotExist: no event has this ID.
    """
    parsed, start = _parse_stored(event_id), Start()

    def claim() -> list[Work]:
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        if event.is_settled or (only_if_due and not retry_policy.is_due(event, timezone.now())):
            return []
        event.attempts += 1
        return [Work(event, parsed, start)]

    item = processing.process_one(claim, trigger)
    return item.event if item else None


def replay(event_id: int, *, audit: Callable[[WebhookEvent], None]) -> WebhookEvent:
    """Apply a stored event again, even if it is settled.

    A processed event stays processed, regardless of the new result. An ignored or stale event may become processed, or
    change its reason, but a replay never unsettles an event and so never causes retries.

    Args:
        audit: records who requested the replay, in the transaction of the attempt, so that neither exists alone.

    Returns:
        The event with the result of this attempt. The stored row of a settled event may differ.

    Raises:
        WebhookEvent.DoesNotExist: no event has this ID.
        OperationalError: a lock timed out; nothing was changed.
    """
    parsed, start = _parse_stored(event_id), Start()

    def claim() -> list[Work]:
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        return [_replayed(event, parsed, start, audit)]

    item = processing.process_one(claim, Trigger.REPLAY)
    assert item  # noqa: S101  # claim() never omits the event
    return item.event


def replay_together(event_ids: Collection[int], *, audit: Callable[[WebhookEvent], None]) -> list[WebhookEvent]:
    """Apply stored events again in at most three transactions, and return them like `replay`.

    Events that cannot be replayed together, because they are missing, locked or unreadable, are left out. If a
    transaction fails, nothing of it is stored, and all of its events are left out.
    """
    start = Start()
    bodies = WebhookEvent.objects.filter(pk__in=event_ids).values_list("pk", "payload")
    parsed = {pk: None if body is None else parse(body) for pk, body in bodies}
    readable = [pk for pk in parsed if not isinstance(parsed[pk], Exception)]

    def claim(part: list[int]) -> list[Work]:
        events = WebhookEvent.objects.select_for_update(skip_locked=True).filter(pk__in=part).order_by("pk")
        return [_replayed(event, parsed[event.pk], start, audit) for event in events]

    parts = _parts((pk, parsed[pk]) for pk in readable)
    done = [processing.process_together(partial(claim, part), Trigger.REPLAY) or [] for part in parts]
    return [item.event for items in done for item in items]


def _replayed(event: WebhookEvent, parsed: Parsed, start: Start, audit: Callable[[WebhookEvent], None]) -> Work:
    event.attempts += 1
    return Work(event, parsed, start, audit=audit)


@contextmanager
def dry_run(event_id: int) -> Iterator[tuple[WebhookEvent, Callable[[], None]]]:
    """Lock a stored event, yield it with a function that applies it, and roll back after the block.

    Everything happens in one short transaction. It does not wait for locks of other transactions, and ingestion is
    blocked only while the event is applied. Deferred jobs and `on_commit` callbacks are also rolled back.

    Raises:
        WebhookEvent.DoesNotExist: no event has this ID.
        OperationalError: another transaction holds a lock on the event or its user.
    """
    parsed = _parse_stored(event_id)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(DRY_RUN_TIMEOUTS)
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)

        def apply() -> None:
            processing.apply([Work(event, parsed, Start())])
            connection.check_constraints()  # deferred constraints would wait for a commit that never happens

        yield event, apply
        transaction.set_rollback(True)


@queue.task(retry=JOB_RETRY)
@describe(
    _("Retry an event"),
    _("Applies a failed webhook event again. If the job fails, the event stays failed, and an admin has to replay it."),
    person=Person("event_id", "webhooks.WebhookEvent", "pk", "clerk_user_id"),
)
def retry_event(event_id: int) -> None:
    """Retry a failed event, unless it has been settled or rescheduled."""
    retry(event_id, only_if_due=True)


def _parse_stored(event_id: int) -> Parsed:
    body = WebhookEvent.objects.values_list("payload", flat=True).get(pk=event_id)
    return None if body is None else parse(body)
