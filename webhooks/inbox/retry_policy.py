"""Decide whether and when a failed event is retried."""

from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError
from django.utils import timezone
from procrastinate import RetryStrategy

from accounts.clerk.fields import ClerkPayloadError
from core.db.outages import is_outage
from core.text import postgres_safe
from webhooks.models import WebhookEvent

ErrorClass = WebhookEvent.ErrorClass

#: A job that keeps killing its worker is abandoned after this many runs, so that it cannot block the queue.
MAX_JOB_RUNS = 5
#: The inbox schedules retries of failed events itself. This strategy is only for lost database connections.
JOB_RETRY = RetryStrategy(max_attempts=MAX_JOB_RUNS, exponential_wait=4)
#: Delays between attempts. Like Svix's delays, they add up to about a day.
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
        # Concurrent transactions can violate unique constraints. The next attempt finds the row of the other
        # transaction.
        case IntegrityError() | TimeoutError() | ConnectionError():
            return ErrorClass.TRANSIENT
    return ErrorClass.TRANSIENT if is_outage(error) else ErrorClass.INTERNAL


def mark_failure(event: WebhookEvent, error: Exception) -> None:
    """Mark an event as failed, or as dead if no retries are left or the error is permanent. Does not save."""
    error_class = classify(error)
    text = postgres_safe(f"{type(error).__name__}: {error}")[:2000]
    delay = _delay_after(event.attempts)
    if error_class is ErrorClass.PERMANENT or delay is None:
        event.mark_dead(text, error_class)
    else:
        event.mark_failed(text, error_class, timezone.now() + delay)


def is_due(event: WebhookEvent, now: datetime) -> bool:
    """Return whether a scheduled retry is due. Another attempt may have rescheduled it."""
    return event.next_attempt_at is not None and event.next_attempt_at <= now + timedelta(seconds=1)


def _delay_after(attempts: int) -> timedelta | None:
    return RETRY_DELAYS[attempts - 1] if attempts <= len(RETRY_DELAYS) else None
