"""Decide whether and when a failed event is retried."""

from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.utils import timezone
from procrastinate import RetryStrategy

from accounts.clerk.fields import ClerkPayloadError
from core.text import postgres_safe
from webhooks.models import WebhookEvent

ErrorClass = WebhookEvent.ErrorClass

#: A job that keeps killing its worker is abandoned after this many runs, so that it cannot block the queue.
MAX_JOB_RUNS = 5
#: The inbox stores failures of events and schedules its own retries. This strategy handles a lost database connection.
JOB_RETRY = RetryStrategy(max_attempts=MAX_JOB_RUNS, exponential_wait=4)
#: Delays between attempts. They add up to about a day, which is as long as Svix retries.
RETRY_DELAYS = (
    *(timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30)),
    *(timedelta(hours=1), timedelta(hours=2), timedelta(hours=4), timedelta(hours=8), timedelta(hours=8)),
)


def classify(error: Exception) -> ErrorClass:
    match error:
        case ClerkPayloadError() | DataError():
            return ErrorClass.PERMANENT
        case ImproperlyConfigured():
            return ErrorClass.CONFIGURATION
        # Racing transactions violate unique constraints. A second attempt sees the row that the other one wrote.
        case OperationalError() | InterfaceError() | IntegrityError() | TimeoutError() | ConnectionError():
            return ErrorClass.TRANSIENT
    return ErrorClass.INTERNAL


def mark_failure(event: WebhookEvent, error: Exception) -> None:
    """Mark an event, without saving it, as failed, or as dead if no retry is left or none can help."""
    error_class = classify(error)
    text = postgres_safe(f"{type(error).__name__}: {error}")[:2000]
    delay = _delay_after(event.attempts)
    if error_class is ErrorClass.PERMANENT or delay is None:
        event.mark_dead(text, error_class)
    else:
        event.mark_failed(text, error_class, timezone.now() + delay)


def is_due(event: WebhookEvent, now: datetime) -> bool:
    """Return whether a scheduled retry is due. It is not if another attempt has moved the schedule."""
    return event.next_attempt_at is not None and event.next_attempt_at <= now + timedelta(seconds=1)


def _delay_after(attempts: int) -> timedelta | None:
    return RETRY_DELAYS[attempts - 1] if attempts <= len(RETRY_DELAYS) else None
