"""Write down what was tried with an event, in the transaction that stores what came of it."""

import traceback
from datetime import datetime

from core.db.statements import insert
from webhooks.inbox.retry_policy import storable
from webhooks.models import Attempt, WebhookEvent

#: The end of a traceback is where it went wrong.
MOST_CHARACTERS = 8000
CUT = "… (cut)\n"


def record(event: WebhookEvent, *, started_at: datetime, via: Attempt.Via, failure: Exception | None) -> None:
    """Write the row of the attempt whose result `event` holds, unless it is a first one that succeeded.

    The event's own row tells all of that one, and so a healthy webhook costs no further statement.
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
        traceback=traceback_of(failure) if failure else "",
        via=via,
    )
    insert([row])


def traceback_of(error: Exception) -> str:
    """Return the traceback as Python prints it, which has no values of variables, cut and fit for PostgreSQL."""
    text = storable("".join(traceback.format_exception(error)))
    return text if len(text) <= MOST_CHARACTERS else CUT + text[-MOST_CHARACTERS:]
