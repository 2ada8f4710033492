"""Store and apply verified deliveries, and record the result in the same transaction.

The effect of an event and the row that records it are committed together, so neither exists without the other, even if a
process is killed. If applying the event fails, that transaction is rolled back, and a second one stores the event as
failed and schedules a retry.

The row is inserted last, when the result is known, because updating it would write its payload a second time. Existing
rows are always locked in the order event, user, profile. Two concurrent first deliveries of one event collide on the
user or on the unique `svix_id`: the later one is rolled back and starts again as a repeat.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app as queue
from psycopg import errors

from accounts.clerk.payloads import SECRET_TYPES, ClerkEvent, PartialEvent, parse_event, parse_partially
from core.db.statements import insert_if_new, update
from core.text import postgres_safe
from webhooks.inbox import attempts, delivery_log, handlers, retry_policy
from webhooks.inbox.retry_policy import JOB_RETRY
from webhooks.inbox.signatures import Delivery
from webhooks.inbox.unavailable import DATABASE_ERRORS, Unavailable
from webhooks.models import Attempt, WebhookEvent

log = logging.getLogger(__name__)

State, Trigger = WebhookEvent.State, Attempt.Trigger
DUPLICATE = "duplicate"
#: Fields that an attempt can change.
RESULT_FIELDS = ("state", "attempts", "last_error", "error_class", "processed_at", "next_attempt_at", "duration")
#: The parsed body, or the exception that was raised during parsing. None if the payload is not stored. A repeated
#: delivery contains the body even if the stored payload was deleted.
type Parsed = ClerkEvent | Exception | None
#: Creates or locks the row. Returns None if the event does not have to be applied.
type Claim = Callable[[], WebhookEvent | None]
#: Dry runs use short timeouts so that they never block ingestion.
DRY_RUN_TIMEOUTS = "SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '2s'"


class DuplicateDelivery(Exception):
    """Another request stored the same delivery first."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The address and headers of the client that posted a delivery."""

    address: str | None
    headers: dict[str, str]


def receive(delivery: Delivery, sender: Sender) -> str:
    """Store and apply a verified delivery.

    Returns:
        The outcome: a state of WebhookEvent ("failed" also for dead events), or "duplicate" for a repeat of a settled
        event.

    Raises:
        Unavailable: the database cannot be reached, or a lock timed out. Nothing was stored.
    """
    started = time.perf_counter()
    parsed = _parse(delivery.body)

    def claim() -> WebhookEvent | None:
        event = WebhookEvent.objects.count_repeat(delivery.svix_id, timezone.now())
        if event is None:
            return _new_row(delivery, sender, parsed)
        event.attempts += 1
        return None if event.is_settled else event

    try:
        try:
            event = _attempt(claim, parsed, Trigger.DELIVERY)
        except DuplicateDelivery:  # rows are never deleted, so the second attempt finds the row
            event = _attempt(claim, parsed, Trigger.DELIVERY)
    except DATABASE_ERRORS as error:
        raise Unavailable(error) from error
    delivery_log.write(delivery, parsed, event.state if event else DUPLICATE, time.perf_counter() - started)
    if event is None:
        return DUPLICATE
    return State.FAILED if event.state == State.DEAD else State(event.state)


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
    parsed = _parse_stored(event_id)

    def claim() -> WebhookEvent | None:
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        if event.is_settled or (only_if_due and not retry_policy.is_due(event, timezone.now())):
            return None
        event.attempts += 1
        return event

    return _attempt(claim, parsed, trigger)


def replay(event_id: int, *, audit: Callable[[WebhookEvent], None]) -> WebhookEvent:
    """Apply a stored event again, even if it is settled.

    A processed event stays processed, regardless of the new result. An ignored or stale event may become processed, or
    change its reason, but a replay never unsettles an event and so never causes retries. `_finish` enforces this.

    Args:
        audit: records who requested the replay, in the transaction of the attempt, so that neither exists alone.

    Returns:
        The event with the result of this attempt. The stored row of a settled event may differ.

    Raises:
        WebhookEvent.DoesNotExist: no event has this ID.
        OperationalError: a lock timed out; nothing was changed.
    """
    parsed = _parse_stored(event_id)

    def claim() -> WebhookEvent:
        event = WebhookEvent.objects.select_for_update().get(pk=event_id)
        event.attempts += 1
        audit(event)
        return event

    return cast("WebhookEvent", _attempt(claim, parsed, Trigger.REPLAY))  # claim() never returns None


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
            _apply(event, parsed)
            connection.check_constraints()  # deferred constraints would not be checked, because the transaction is never committed

        yield event, apply
        transaction.set_rollback(True)


def _attempt(claim: Claim, parsed: Parsed, trigger: Attempt.Trigger) -> WebhookEvent | None:
    """Claim an event and apply it. If that fails, roll back and claim it again to store the failure."""
    started_at, started = timezone.now(), time.perf_counter()
    try:
        with transaction.atomic():
            event = claim()
            if event is not None:
                previous_state = event.state
                _apply(event, parsed)
                _finish(event, previous_state, None, started_at=started_at, started=started, trigger=trigger)
            return event
    except DuplicateDelivery:
        raise
    except Exception as error:
        if isinstance(error.__cause__, errors.LockNotAvailable):
            raise
        failure = error
    with transaction.atomic():
        event = claim()
        if event is not None:
            previous_state = event.state
            retry_policy.mark_failure(event, failure)
            _finish(event, previous_state, failure, started_at=started_at, started=started, trigger=trigger)
    log.log(_log_level(event), "Event %s could not be applied.", event and event.svix_id, exc_info=failure)
    return event


def _log_level(event: WebhookEvent | None) -> int:
    """Log an internal error at level ERROR once, so that Sentry reports it. After retries, log a warning."""
    is_new_error = event is not None and event.error_class == WebhookEvent.ErrorClass.INTERNAL and event.attempts == 1
    return logging.ERROR if is_new_error else logging.WARNING


def _apply(event: WebhookEvent, parsed: Parsed) -> None:
    if parsed is None:
        event.mark_settled(State.IGNORED)
        return
    if isinstance(parsed, Exception):
        raise parsed
    state, note = handlers.handle(parsed, svix_id=event.svix_id)
    event.mark_settled(state, note)


def _finish(
    event: WebhookEvent,
    previous_state: str,
    failure: Exception | None,
    *,
    started_at: datetime,
    started: float,
    trigger: Attempt.Trigger,
) -> None:
    """Store the result of an attempt. If a replay must not change a settled event, only the attempt is counted."""
    event.duration = timedelta(seconds=time.perf_counter() - started)
    if trigger == Trigger.REPLAY and previous_state in WebhookEvent.SETTLED and not _supersedes(event, previous_state):
        # Keep the times and the duration of the attempt that settled the event, because the hourly counts use them.
        update(event, ["attempts"])
    else:
        _save_result(event)
    attempts.record(event, started_at=started_at, trigger=trigger, failure=failure)


def _supersedes(event: WebhookEvent, previous_state: str) -> bool:
    return event.is_settled and previous_state not in (event.state, State.PROCESSED)


def _save_result(event: WebhookEvent) -> None:
    if not event._state.adding:
        update(event, RESULT_FIELDS)
    elif not insert_if_new(event):
        raise DuplicateDelivery
    if event.state == State.FAILED:
        # The job is part of the transaction.
        retry_event.configure(schedule_at=event.next_attempt_at).defer(event_id=event.pk)


@queue.task(retry=JOB_RETRY)
def retry_event(event_id: int) -> None:
    """Retry a failed event, unless it has been settled or rescheduled."""
    retry(event_id, only_if_due=True)


def _parse_stored(event_id: int) -> Parsed:
    body = WebhookEvent.objects.values_list("payload", flat=True).get(pk=event_id)
    return None if body is None else _parse(body)


def _parse(body: str) -> ClerkEvent | Exception:
    """Return the event, or the exception raised during parsing. The delivery must be stored even if our code fails."""
    try:
        return parse_event(body)
    except Exception as error:  # noqa: BLE001  # it becomes the outcome of the attempt
        return error


def _parse_partially(body: str) -> PartialEvent:
    """Return the readable fields of a body. The delivery must be stored even if our code fails."""
    try:
        return parse_partially(body)
    except Exception:
        log.exception("The readable fields of a rejected event could not be parsed.")
        return PartialEvent()


def _new_row(delivery: Delivery, sender: Sender, parsed: ClerkEvent | Exception) -> WebhookEvent:
    now = timezone.now()
    event = WebhookEvent(
        svix_id=delivery.svix_id,
        # PostgreSQL cannot store NUL. The event will be dead, because JSON cannot contain NUL either.
        payload=postgres_safe(delivery.body),
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
        event.occurred_at, event.clerk_user_id = parsed.occurred_at, parsed.clerk_id
    else:
        found = _parse_partially(delivery.body)
        event.event_type, event.instance_id, event.clerk_user_id = found.type, found.instance_id, found.clerk_id
    if event.event_type in SECRET_TYPES:
        event.payload = None
    return event
