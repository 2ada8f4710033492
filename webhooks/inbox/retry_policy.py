"""When a failed event is tried again, and when that is pointless."""

from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.utils import timezone

from accounts.clerk.fields import ClerkPayloadError
from webhooks.models import WebhookEvent

ErrorClass = WebhookEvent.ErrorClass

#: Waits between attempts; together about a day, as long as Svix itself would try.
WAITS = (
    *(timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30)),
    *(timedelta(hours=1), timedelta(hours=2), timedelta(hours=4), timedelta(hours=8), timedelta(hours=8)),
)


def classify(error: Exception) -> ErrorClass:
    """Return what kind of trouble `error` is, which decides whether trying again can help."""
    match error:
        case ClerkPayloadError() | DataError():
            return ErrorClass.PERMANENT
        case ImproperlyConfigured():
            return ErrorClass.CONFIGURATION
        # A unique constraint is hit when two transactions race; the second attempt sees what the first one wrote.
        case OperationalError() | InterfaceError() | IntegrityError() | TimeoutError() | ConnectionError():
            return ErrorClass.TRANSIENT
    return ErrorClass.INTERNAL


def mark_failure(event: WebhookEvent, error: Exception) -> None:
    """Set, without saving, that the latest attempt at `event` ended in `error`: failed, or dead if no retry is left."""
    error_class = classify(error)
    text = storable(f"{type(error).__name__}: {error}")[:2000]
    wait = _wait_after(event.attempts)
    if error_class is ErrorClass.PERMANENT or wait is None:
        event.mark_dead(text, error_class)
    else:
        event.mark_failed(text, error_class, timezone.now() + wait)


def storable(text: str) -> str:
    """Return a text that PostgreSQL takes: without NUL, and without halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def is_due(event: WebhookEvent, now: datetime) -> bool:
    """Return whether a scheduled retry may run now, or came from a schedule that another attempt has replaced."""
    return event.next_attempt_at is not None and event.next_attempt_at <= now + timedelta(seconds=1)


def _wait_after(attempts: int) -> timedelta | None:
    return WAITS[attempts - 1] if attempts <= len(WAITS) else None
