"""How figures, ages and states are shown to operators."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

register = template.Library()

#: How a state of an event is coloured; its icon has its own name.
TONES = {"processed": "good", "ignored": "quiet", "stale": "quiet", "failed": "attention", "dead": "bad"}
MILLION = 1_000_000
#: The unit of a length of time, and below how many seconds it is used.
UNITS = (
    (60.0, 1, gettext_lazy("%s s")),
    (3600.0, 60, gettext_lazy("%s min")),
    (48 * 3600.0, 3600, gettext_lazy("%s h")),
    (float("inf"), 86400, gettext_lazy("%s d")),
)


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


@register.filter
def tone(state: str) -> str:
    """Return the colour of an event's state, as in the class is-good."""
    return TONES.get(state, "quiet")
