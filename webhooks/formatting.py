"""Format states, errors and durations for operators, in Python and as template filters."""

from django.db.models import Model
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import redaction
from webhooks.models import Attempt, JobFailure, ReplayFinding, WebhookEvent

#: Upper limit in seconds, seconds per unit, and format of each unit.
UNITS = (
    (60.0, 1, gettext_lazy("%s s")),
    (3600.0, 60, gettext_lazy("%s min")),
    (48 * 3600.0, 3600, gettext_lazy("%s h")),
    (float("inf"), 86400, gettext_lazy("%s d")),
)
#: Severity of each state. static/css/operators.css defines a colour for each severity. Other states are neutral.
LEVELS = {"processed": "good", "failed": "attention", "dead": "bad"}


def level(state: str) -> str:
    return LEVELS.get(state, "neutral")


def redacted_error(row: Model) -> str:
    """Return a row's error without quoted values, or the full note of a settled event.

    Args:
        row: an event, an attempt, a replay finding, or another row with a `last_error`.
    """
    match row:
        case Attempt():
            text, state = row.error, row.outcome
        case JobFailure():
            return row.error  # The text was redacted when it was stored.
        case ReplayFinding():
            text, state = row.note, row.outcome
        case _:
            text, state = getattr(row, "last_error", ""), getattr(row, "state", "")
    return redaction.redact_text(text) if state in WebhookEvent.SETTLED else redaction.redact_traceback(text)


def seconds(value: float | None) -> str:
    """Format a number of seconds in a readable unit, or as a dash for None."""
    if value is None:
        return "–"
    if value < 1:
        return _("%s ms") % round(1000 * value)
    unit, text = next((unit, str(text)) for below, unit, text in UNITS if value < below)
    return text % (number_format(value, 1) if value < 10 and value % 1 else int(value // unit))
