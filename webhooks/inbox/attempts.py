"""Record attempts in the transaction that stores their result."""

import traceback
from collections.abc import Sequence
from datetime import datetime

from core.db import joined_writes
from core.text import postgres_safe
from webhooks.models import Attempt, WebhookEvent

#: Maximum number of characters. The beginning of a longer traceback is removed, because the end shows the error.
MAX_TRACEBACK_LENGTH = 8000
TRUNCATION_MARK = "… (cut)\n"


def record(finished: Sequence[tuple[WebhookEvent, datetime, Exception | None]], *, trigger: Attempt.Trigger) -> None:
    """Insert a row for each attempt: its event, which holds the result, its start and its failure.

    A first attempt that succeeds has no row: the event itself holds its details, and a healthy webhook costs no
    extra statement.
    """
    for event, started_at, failure in finished:
        if event.attempts == 1 and not failure:
            continue
        attempt = Attempt(
            event=event,
            number=event.attempts,
            started_at=started_at,
            duration=event.duration,
            outcome=event.state,
            error_class=event.error_class,
            error=event.last_error,
            traceback=format_traceback(failure) if failure else "",
            trigger=trigger,
            error_group_id=event.error_group_id if failure else None,
        )
        joined_writes.insert(attempt)


def format_traceback(error: Exception) -> str:
    """Format a traceback for storage: without the values of variables, truncated, and without NUL characters."""
    text = postgres_safe("".join(traceback.format_exception(error)))
    return text if len(text) <= MAX_TRACEBACK_LENGTH else TRUNCATION_MARK + text[-MAX_TRACEBACK_LENGTH:]
