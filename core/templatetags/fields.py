"""Template filters for form fields."""

from django import template
from django.forms import BoundField, CheckboxInput
from django.utils.html import format_html
from django.utils.translation import gettext

register = template.Library()


@register.filter
def with_optional_mark(field: BoundField) -> BoundField:
    """Begin the help text of an optional field with "Optional.", and return the field.

    Django connects the help text with the input, so that screen readers read the mark.
    """
    mark = gettext("Optional.")
    if is_marked_optional(field) and not field.help_text.startswith(mark):
        field.help_text = format_html("{} {}", mark, field.help_text) if field.help_text else mark
    return field


def is_marked_optional(field: BoundField) -> bool:
    """Return whether to mark a field as optional, because other fields of its form must be filled in.

    Checkboxes are never marked, nor are the form's `conditional_fields`, which some values of other fields require.
    """
    if field.field.required or isinstance(field.field.widget, CheckboxInput):
        return False
    if field.name in getattr(field.form, "conditional_fields", ()):
        return False
    return any(_must_be_filled_in(other) for other in field.form.visible_fields())


def _must_be_filled_in(field: BoundField) -> bool:
    """Return whether the browser requires a value. Lists whose first choice is a value cannot be left empty."""
    return field.field.required and field.field.widget.use_required_attribute(field.initial)
