"""Template filters that format numbers, durations, states and errors for operators."""

import re
from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from core import redaction
from webhooks.formatting import level, redacted_error, seconds

MILLION = 1_000_000
WORD_END = re.compile(r"([._])(?=\w)")

register = template.Library()
register.filter(level)
register.filter(redacted_error)
register.filter(seconds)


@register.filter
def redacted(text: str) -> str:
    """Remove values, which may be personal data, from an error or a traceback."""
    return redaction.redact_traceback(text)


@register.filter
def breakable(name: str) -> SafeString:
    """Allow line breaks after dots and underscores, so that narrow columns do not break a name within a word."""
    return mark_safe(WORD_END.sub(r"\1<wbr>", conditional_escape(name)))  # noqa: S308  # escaped


@register.filter
def duration(value: timedelta | None) -> str:
    """Format a duration in a readable unit. None is a dash, and negative durations are zero."""
    return seconds(None if value is None else max(value.total_seconds(), 0))


@register.filter
def since(moment: datetime) -> str:
    """Format the time since a moment. If clocks differ and the moment is in the future, the result is one second."""
    return seconds(max((timezone.now() - moment).total_seconds(), 1) // 1)


@register.filter
def short(number: int) -> str:
    if number >= MILLION:
        return gettext("%(number)s M") % {"number": number_format(number / MILLION, 2)}
    return number_format(number, force_grouping=True)
