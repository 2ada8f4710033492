"""Admin list cells that show a state as an icon and a label, so that the meaning does not depend on colour."""

from django.templatetags.static import static
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString


def state_cell(level: str, label: str | Promise, icon: str = "") -> SafeString:
    """Return a state's icon and label.

    Args:
        level: good, attention, bad or neutral. The colours are in static/css/operators.css.
        icon: a symbol name in static/img/states.svg. Defaults to the level.
    """
    markup = (
        '<span class="state is-{}"><svg class="state-icon" aria-hidden="true"><use href="{}#{}"></use></svg> {}</span>'
    )
    return format_html(markup, level, static("img/states.svg"), icon or level, label)
