"""Template filters that format numbers, durations, states and errors for operators."""

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
#: Upper limit in seconds, seconds per unit, and format of each unit.
UNITS = (
    (60.0, 1, gettext_lazy("%s s")),
    (3600.0, 60, gettext_lazy("%s min")),
    (48 * 3600.0, 3600, gettext_lazy("%s h")),
    (float("inf"), 86400, gettext_lazy("%s d")),
)
#: Severity of each state. static/css/operators.css has a colour for each name; other states are neutral.
LEVELS = {"processed": "good", "failed": "attention", "dead": "bad"}


@register.filter
def level(state: str) -> str:
    return LEVELS.get(state, "neutral")


@register.filter
def redacted(text: str) -> str:
    """Remove values, which may be personal data, from an error or a traceback."""
    return redaction.redact_traceback(text)


@register.filter
def redacted_error(row: Any) -> str:
    """Return the error of a row without values, or the full note of a settled event.

    Args:
        row: an event, an attempt, a replay finding, or another row with a `last_error`.
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
    """Format a duration in a readable unit: a dash for None, and zero for negative durations."""
    return seconds(None if value is None else max(value.total_seconds(), 0))


@register.filter
def seconds(value: float | None) -> str:
    """Format a number of seconds in a readable unit, or as a dash for None."""
    if value is None:
        return "–"
    if value < 1:
        return _("%s ms") % round(1000 * value)
    unit, text = next((unit, str(text)) for below, unit, text in UNITS if value < below)
    return text % (f"{value:.1f}" if value < 10 and value % 1 else int(value // unit))


@register.filter
def since(moment: datetime) -> str:
    """Format the time since a moment. Moments slightly in the future, by another clock, count as one second ago."""
    return seconds(max((timezone.now() - moment).total_seconds(), 1) // 1)


@register.filter
def short(number: int) -> str:
    return f"{number / MILLION:.2f} M" if number >= MILLION else number_format(number, force_grouping=True)
