"""Take a verified delivery in: store it, apply it, and say what became of it, all in one transaction.

The effect and the row that marks it as done are committed together, so there is no instant at which one exists without
the other, whoever is killed. If applying fails, that transaction is rolled back and a second one stores the row as
failed with its retry; the event is then safely ours.

The row is inserted last, once all is known, because updating it would write its payload a second time. Locks on rows
that exist are always taken in the order event, user, profile. Two first deliveries of one event meet at the user or at
the row's unique id: the later one is rolled back and begins again, as a repeat.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app as queue
from psycopg import errors

from accounts.clerk.payloads import SECRET_TYPES, ClerkEvent, parse_event, parse_partially
from core.db.statements import insert_if_new, update
from webhooks.inbox import attempts, handlers, retry_policy
from webhooks.inbox.signatures import Delivery
from webhooks.models import Attempt, WebhookEvent

log = logging.getLogger(__name__)

State, Via = WebhookEvent.State, Attempt.Via
DUPLICATE = "duplicate"
#: What an attempt may change on the row.
RESULT_FIELDS = ("state", "attempts", "last_error", "error_class", "processed_at", "next_attempt_at", "duration")
#: What a body says, or why it cannot be understood. None if it is not kept, and so there is nothing to apply; a delivery brings
#: it along, also that of an event whose payload was emptied.
type Parsed = ClerkEvent | Exception | None
#: Makes or locks the row; None if there is nothing left to do.
type Claim = Callable[[], WebhookEvent | None]
#: Whoever only looks waits for nobody, and is soon out of everybody's way.
IN_NO_WAY = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '2s'"


class Rival(Exception):
    """Another request stored the same delivery meanwhile."""


class Unavailable(Exception):
    """Nothing could be stored; the sender has to come again."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posted a delivery, and with which headers."""

    address: str | None
    headers: dict[str, str]


def receive(delivery: Delivery, sender: Sender) -> str:
    """Store and apply a verified delivery.

    Returns:
        The outcome: a state of WebhookEvent ("failed" for dead ones too), or "duplicate" for a repeat with nothing left
        to do.

    Raises:
        Unavailable: the database cannot be reached, or a lock could not be had in time. Nothing was stored.
    """
    parsed = _parse(delivery.body)

    def claim() -> WebhookEvent | None:
        event = WebhookEvent.objects.count_repeat(delivery.svix_id, timezone.now())
        if event is None:
            return _new_row(delivery, sender, parsed)
        event.attempts += 1
        return None if event.is_settled else event

    try:
        try:
            event = _attempt(claim, parsed, Via.DELIVERY)
        except Rival:  # rows never go away, so it is found this time
            event = _attempt(claim, parsed, Via.DELIVERY)
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(str(error)) from error
    if event is None:
        return DUPLICATE
    return State.FAILED if event.state == State.DEAD else State(event.state)


def retry(event_id: int, *, only_if_due: bool = False, via: Attempt.Via = Via.RETRY) -> WebhookEvent | None:
    """Try a stored event again.

    Args:
        only_if_due: do nothing if its next attempt lies in the future, because another attempt replaced the schedule.
        via: what caused it, for the list of attempts.

    Returns:
        The event after the attempt; None if it was settled already, or not due.

    Raises:
        WebhookEvent.DoesNotExist: there is no such event.
    """
    parsed = _parse_stored(event_id)

    def claim() -> WebhookEvent | None:
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        if event.is_settled or (only_if_due and not retry_policy.is_due(event, timezone.now())):
            return None
        event.attempts += 1
        return event

    return _attempt(claim, parsed, via)


def replay(event_id: int, *, note: Callable[[WebhookEvent], None]) -> WebhookEvent:
    """Apply a stored event once more, a settled one as well.

    What had its effect stays processed, whatever comes of it now; what is settled otherwise can get its effect, or another
    reason for having none, but is never unsettled again, so that no replay makes work for the retries. `_finish` sees to it.

    Args:
        note: writes down who wanted it, in the transaction of the attempt, so that both are there or neither.

    Returns:
        The event with what came of this attempt, which for a settled one may not be what is stored.

    Raises:
        WebhookEvent.DoesNotExist: there is no such event.
        OperationalError: a lock could not be had in time; nothing was changed.
    """
    parsed = _parse_stored(event_id)

    def claim() -> WebhookEvent:
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        event.attempts += 1
        note(event)
        return event

    return cast("WebhookEvent", _attempt(claim, parsed, Via.REPLAY))  # it is always claimed


@contextmanager
def rehearsal(event_id: int) -> Iterator[tuple[WebhookEvent, Callable[[], None]]]:
    """Lock a stored event, give a function that applies it as `replay` would, and undo everything after the block.

    It is one short transaction that waits for nobody, and in which ingestion waits no longer than applying takes. Jobs that
    were deferred and what was to follow the commit go with it.

    Raises:
        WebhookEvent.DoesNotExist: there is no such event.
        OperationalError: somebody is at work on the event or its person.
    """
    parsed = _parse_stored(event_id)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(IN_NO_WAY)
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)

        def apply() -> None:
            _apply(event, parsed)
            connection.check_constraints()  # some wait for a commit, which does not come

        yield event, apply
        transaction.set_rollback(True)


def _attempt(claim: Claim, parsed: Parsed, via: Attempt.Via) -> WebhookEvent | None:
    """Claim an event and apply it; if that fails, undo everything and claim it again to store the failure."""
    started_at, started = timezone.now(), time.perf_counter()
    try:
        with transaction.atomic():
            event = claim()
            if event is not None:
                was = event.state
                _apply(event, parsed)
                _finish(event, was, None, started_at=started_at, started=started, via=via)
            return event
    except Rival:
        raise
    except Exception as error:
        if isinstance(error.__cause__, errors.LockNotAvailable):
            raise
        failure = error
    with transaction.atomic():
        event = claim()
        if event is not None:
            was = event.state
            retry_policy.mark_failure(event, failure)
            _finish(event, was, failure, started_at=started_at, started=started, via=via)
    log.log(_loudness(event), "Event %s could not be applied.", event and event.svix_id, exc_info=failure)
    return event


def _loudness(event: WebhookEvent | None) -> int:
    """Return how loud a failure is: a fault of ours is an error once, so that Sentry has it; retries repeat it."""
    is_new_fault = event is not None and event.error_class == WebhookEvent.ErrorClass.INTERNAL and event.attempts == 1
    return logging.ERROR if is_new_fault else logging.WARNING


def _apply(event: WebhookEvent, parsed: Parsed) -> None:
    if parsed is None:
        event.mark_settled(State.IGNORED)
        return
    if isinstance(parsed, Exception):
        raise parsed
    state, note = handlers.handle(parsed, svix_id=event.svix_id)
    event.mark_settled(state, note)


def _finish(
    event: WebhookEvent, was: str, failure: Exception | None, *, started_at: datetime, started: float, via: Attempt.Via
) -> None:
    """Store what came of an attempt, unless a replay of what was settled changes nothing of that; see `replay`."""
    event.duration = timedelta(seconds=time.perf_counter() - started)
    if via == Via.REPLAY and was in WebhookEvent.SETTLED and not _supersedes(event, was):
        # The times and the duration are those of the effect it had, which totals are made of.
        update(event, ["attempts"])
    else:
        _save_result(event)
    attempts.record(event, started_at=started_at, via=via, failure=failure)


def _supersedes(event: WebhookEvent, was: str) -> bool:
    return event.is_settled and was not in (event.state, State.PROCESSED)


def _save_result(event: WebhookEvent) -> None:
    if not event._state.adding:
        update(event, RESULT_FIELDS)
    elif not insert_if_new(event):
        raise Rival
    if event.state == State.FAILED:
        # Named, because the task imports this module. The job is part of the transaction, like the row it is for.
        job = queue.configure_task("webhooks.tasks.retry_event", schedule_at=event.next_attempt_at)
        job.defer(event_id=event.pk)


def _parse_stored(event_id: int) -> Parsed:
    body = WebhookEvent.objects.values_list("payload", flat=True).get(pk=event_id)
    return None if body is None else _parse(body)


def _parse(body: str) -> ClerkEvent | Exception:
    """Return the event, or why there is none. Nothing may fail before the delivery is stored, a fault of ours included."""
    try:
        return parse_event(body)
    except Exception as error:  # noqa: BLE001  # it becomes the outcome of the attempt
        return error


def _new_row(delivery: Delivery, sender: Sender, parsed: ClerkEvent | Exception) -> WebhookEvent:
    """Return the row of a delivery, unsaved."""
    now = timezone.now()
    event = WebhookEvent(
        svix_id=delivery.svix_id,
        # PostgreSQL cannot store NUL. JSON cannot contain it either, so such a body is dead in any case.
        payload=delivery.body.replace("\x00", "\ufffd"),
        state=State.PROCESSED,
        received_at=now,
        last_delivery_at=now,
        processed_at=now,
        source_address=sender.address,
        headers=sender.headers,
        secret_fingerprint=delivery.secret_fingerprint,
    )
    if isinstance(parsed, ClerkEvent):
        event.event_type, event.instance_id = parsed.type, parsed.instance_id
        event.occurred_at, event.clerk_user_id = parsed.occurred_at, parsed.subject.clerk_id
    else:
        seen = parse_partially(delivery.body)
        event.event_type, event.instance_id, event.clerk_user_id = seen.type, seen.instance_id, seen.clerk_id
    if event.event_type in SECRET_TYPES:
        event.payload = None
    return event
