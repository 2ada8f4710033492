"""How figures, ages and states are shown to operators."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import redaction
from webhooks.models import Attempt, ReplayFinding, WebhookEvent

register = template.Library()

MILLION = 1_000_000
#: The unit of a length of time, and below how many seconds it is used.
UNITS = (
    (60.0, 1, gettext_lazy("%s s")),
    (3600.0, 60, gettext_lazy("%s min")),
    (48 * 3600.0, 3600, gettext_lazy("%s h")),
    (float("inf"), 86400, gettext_lazy("%s d")),
)
#: How good or bad each state is, by the names that static/css/operators.css has colours for; the others are neither.
LEVELS = {"processed": "good", "failed": "attention", "dead": "bad"}


@register.filter
def level(state: str) -> str:
    """Return how good or bad a state of an event is."""
    return LEVELS.get(state, "neutral")


@register.filter
def redacted(text: str) -> str:
    """Return what an error said, or a traceback, without values, which may be of a person."""
    return redaction.redact_traceback(text)


@register.filter
def redacted_error(row: Any) -> str:
    """Return what went wrong with a row as everybody may read it, without values; a note of what is settled is whole.

    Args:
        row: an event, an attempt, a finding of a replay, or another row that keeps its last error.
    """
    match row:
        case Attempt():
            text, state = row.error, row.outcome
        case ReplayFinding():
            text, state = row.note, row.outcome
        case _:
            text, state = getattr(row, "last_error", ""), getattr(row, "state", "")
    return redaction.redact_text(text) if state in WebhookEvent.SETTLED else redaction.redact_traceback(text)


@register.filter
def duration(value: timedelta | None) -> str:
    """Return a length of time in the unit that reads best; a dash for None, and nothing is shorter than nothing."""
    return seconds(None if value is None else max(value.total_seconds(), 0))


@register.filter
def seconds(value: float | None) -> str:
    """Return a length of time in the unit that reads best; a dash for None."""
    if value is None:
        return "–"
    if value < 1:
        return _("%s ms") % round(1000 * value)
    unit, text = next((unit, str(text)) for below, unit, text in UNITS if value < below)
    return text % (f"{value:.1f}" if value < 10 and value % 1 else int(value // unit))


@register.filter
def since(moment: datetime) -> str:
    """Return how long ago something was; what lies a little ahead, by another clock, is now."""
    return seconds(max((timezone.now() - moment).total_seconds(), 1) // 1)


@register.filter
def short(number: int) -> str:
    """Return a number that fits into a narrow column: millions are rounded."""
    return f"{number / MILLION:.2f} M" if number >= MILLION else number_format(number, force_grouping=True)
