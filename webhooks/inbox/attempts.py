"""Record attempts in the transaction that stores their result."""

import traceback
from datetime import datetime

from core.db.statements import insert
from core.text import postgres_safe
from webhooks.models import Attempt, WebhookEvent

#: Maximum number of characters. The beginning of a longer traceback is removed, because the end shows the error.
MAX_TRACEBACK_LENGTH = 8000
TRUNCATION_MARK = "… (cut)\n"


def record(event: WebhookEvent, *, started_at: datetime, trigger: Attempt.Trigger, failure: Exception | None) -> None:
    """Insert a row for the attempt whose result `event` holds.

    A first attempt that succeeds has no row: the event itself holds its details, and a healthy webhook costs no
    extra statement.
    """
    if event.attempts == 1 and failure is None:
        return
    row = Attempt(
        event=event,
        number=event.attempts,
        started_at=started_at,
        duration=event.duration,
        outcome=event.state,
        error_class=event.error_class,
        error=event.last_error,
        traceback=format_traceback(failure) if failure else "",
        trigger=trigger,
    )
    insert([row])


def format_traceback(error: Exception) -> str:
    """Format a traceback for storage: without the values of variables, truncated, and without NUL characters."""
    text = postgres_safe("".join(traceback.format_exception(error)))
    return text if len(text) <= MAX_TRACEBACK_LENGTH else TRUNCATION_MARK + text[-MAX_TRACEBACK_LENGTH:]
