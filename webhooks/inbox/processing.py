"""Apply events and store their results in the same transaction.

The effect of an event and the row that records it are committed together, so neither exists without the other, even if a
process is killed. If applying an event fails, that transaction is rolled back, and a second one stores the event as
failed and schedules a retry.

New rows are inserted last, when the result is known, because updating one would write its payload a second time. Existing
rows are always locked in the order event, user, profile. Two concurrent first deliveries of one event collide on the user
or on the unique `svix_id`: the later one is rolled back and starts again as a repeat.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app as queue
from psycopg.errors import LockNotAvailable

from accounts.clerk.payloads import ClerkEvent
from core.db import joined_writes
from core.db.statements import insert_new
from webhooks import errors, personal_data
from webhooks.inbox import attempts, handlers, retry_policy
from webhooks.models import Attempt, WebhookEvent

log = logging.getLogger(__name__)

State, Trigger = WebhookEvent.State, Attempt.Trigger
#: Fields that an attempt may change.
RESULT_FIELDS = (
    *("state", "attempts", "last_error", "error_class", "error_group", "processed_at", "next_attempt_at", "duration"),
)
#: The parsed body, or the exception that parsing raised. None if the payload is not stored, so that there is nothing to
#: apply. A repeated delivery carries the body even if the stored payload was emptied.
type Parsed = ClerkEvent | Exception | None


class DuplicateDelivery(Exception):
    """Another request stored the same delivery first."""


class NotTogether(Exception):
    """One of the events must be processed alone, and was already counted as a repeat."""


@dataclass(frozen=True, slots=True)
class Start:
    """When an attempt began."""

    at: datetime = field(default_factory=timezone.now)
    counter: float = field(default_factory=time.perf_counter)


@dataclass(slots=True, eq=False)
class Work:
    """An event that is being processed: a new row, or an existing one that is locked.

    Attributes:
        is_duplicate: the repeat of a settled event, which was counted and needs nothing else.
        audit: records who requested the attempt, together with its result.
    """

    event: WebhookEvent
    parsed: Parsed
    start: Start
    is_duplicate: bool = False
    audit: Callable[[WebhookEvent], None] | None = None
    previous_state: str = ""
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.previous_state = self.event.state

    @property
    def is_new(self) -> bool:
        return self.event.pk is None


#: Creates or locks the rows of events, in the transaction that processes them. Omits those that need nothing.
type Claim = Callable[[], list[Work]]


def process_together(claim: Claim, trigger: Attempt.Trigger) -> list[Work] | None:
    """Process several events in one transaction, with one statement per table.

    Returns:
        The processed events. Events whose users are locked by other transactions are left out, and the caller processes
        them alone. None if anything failed: nothing was stored, and the caller processes all of them alone.
    """
    try:
        return _process(claim, trigger, skip_locked=True)
    except Exception as error:  # noqa: BLE001  # the attempt of the event that caused it reports it
        log.info("Events could not be applied together (%s). Each is applied alone.", type(error).__name__)
        return None


def process_one(claim: Claim, trigger: Attempt.Trigger, *, skip_locked: bool = False) -> Work | None:
    """Process at most one event. If that fails, roll back and claim it again to store the failure.

    Args:
        skip_locked: return nothing instead of waiting for the user.

    Raises:
        DuplicateDelivery: claim it again; it is found this time.
        OperationalError: a lock timed out; nothing was stored.
    """
    try:
        return _first(_process(claim, trigger, skip_locked=skip_locked))
    except (DuplicateDelivery, NotTogether):
        raise
    except Exception as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise
        failure = error
    with transaction.atomic():
        item = _first(claim())
        if item and not item.is_duplicate:
            item.failure = failure
            retry_policy.mark_failure(item.event, failure)
            item.event.error_group_id = errors.group_of(failure)
            _store([item], trigger)
    event = item.event if item else None
    log.log(_log_level(event), "Event %s could not be applied.", event and event.svix_id, exc_info=failure)
    return item


def _first(work: list[Work]) -> Work | None:
    return next(iter(work), None)


def _process(claim: Claim, trigger: Attempt.Trigger, *, skip_locked: bool) -> list[Work]:
    with transaction.atomic(), joined_writes.joined():
        work = claim()
        done = apply(work, skip_locked=skip_locked)
        if trigger == Trigger.DELIVERY and any(not item.is_new for item in work if item not in done):
            raise NotTogether
        _store([item for item in done if not item.is_duplicate], trigger)
    return done


def apply(work: list[Work], *, skip_locked: bool = False) -> list[Work]:
    """Apply events and set their results without saving. Return those that were not left out."""
    pending = [item for item in work if not item.is_duplicate]
    for item in pending:
        if isinstance(item.parsed, Exception):
            raise item.parsed
    parsed = [(item.parsed, item.event.svix_id) for item in pending if isinstance(item.parsed, ClerkEvent)]
    results = iter(handlers.handle(parsed, skip_locked=skip_locked))
    left_out = set[int]()
    for item in pending:
        result = (State.IGNORED, "") if item.parsed is None else next(results)
        if result is None:
            left_out.add(id(item))
        else:
            item.event.mark_settled(*result)
    return [item for item in work if id(item) not in left_out]


def _store(work: list[Work], trigger: Attempt.Trigger) -> None:
    """Store the results of attempts. A replay that must not change a settled event only counts the attempt."""
    for item in work:
        item.event.duration = timedelta(seconds=time.perf_counter() - item.start.counter)
        if item.audit:
            item.audit(item.event)
    new, known = [item for item in work if item.is_new], [item for item in work if not item.is_new]
    kept = [item for item in known if trigger == Trigger.REPLAY and _keeps_result(item)]
    changed = [item for item in known if item not in kept]
    if new:
        personal_data.clear_if_erased(item.event for item in new)
        # In one order everywhere, so that concurrent transactions cannot deadlock.
        rows = sorted((item.event for item in new), key=lambda event: event.svix_id)
        inserted = insert_new(rows, key="svix_id", also=joined_writes.take())
        if len(inserted) < len(new):
            raise DuplicateDelivery
    # Keep the times and the duration of the attempt that settled the event, because the hourly counts use them.
    joined_writes.update_all([item.event for item in kept], ["attempts"])
    joined_writes.update_all([item.event for item in changed], RESULT_FIELDS)
    _schedule_retries([item.event for item in (*new, *changed) if item.event.state == State.FAILED])
    attempts.record([(item.event, item.start.at, item.failure) for item in work], trigger=trigger)


def _schedule_retries(events: list[WebhookEvent]) -> None:
    for event in events:
        # By name: the job imports this module. It is part of the transaction.
        job = queue.configure_task("webhooks.inbox.service.retry_event", schedule_at=event.next_attempt_at)
        job.defer(event_id=event.pk)


def _keeps_result(item: Work) -> bool:
    """Return whether a replay must not change the stored result of a settled event."""
    supersedes = item.event.is_settled and item.previous_state not in (item.event.state, State.PROCESSED)
    return item.previous_state in WebhookEvent.SETTLED and not supersedes


def _log_level(event: WebhookEvent | None) -> int:
    """Log an internal error at level ERROR once, so that Sentry reports it. Retries repeat it as a warning."""
    is_new_error = event is not None and event.error_class == WebhookEvent.ErrorClass.INTERNAL and event.attempts == 1
    return logging.ERROR if is_new_error else logging.WARNING
