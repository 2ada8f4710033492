"""Validate an old section version against the current form, and report values that cannot be restored.

Fields and validation rules may have changed since the version was stored, so old values are not trusted.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.serializers.json import DjangoJSONEncoder
from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.editing.conflicts import display
from profiles.forms.fields import LanguagesField, ListField
from profiles.forms.sections import ProfileForm

REMOVED_FIELD = _("This field no longer exists.")
ADDED_FIELD = _("This field was added later. Its current value is kept.")
ADJUSTED = _("The rules for this field have changed. Check the value in the form.")


@dataclass(frozen=True, slots=True)
class Problem:
    """A field that cannot be restored exactly: its old value as text, and the reason."""

    label: str
    value: str
    reason: str | Promise


def form_data(form: ProfileForm[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return form data with the old values, and with current values for fields that were added later.

    Args:
        form: an unbound form with the current values.
    """
    return {
        name: field.prepare_value(_to_field_type(field, values[name])) if name in values else form[name].value()
        for name, field in form.fields.items()
    }


def problems(form: ProfileForm[Any], values: Mapping[str, Any], ignored: Collection[str] = ()) -> list[Problem]:
    """Return the bound form's fields whose cleaned value differs from the old value.

    Args:
        ignored: names of values that are restored outside the form.
    """
    fields = form._meta.fields or ()
    gone = [name for name in values if name not in fields and name not in ignored]
    return [
        *(Problem(_name_as_label(name), _as_text(values[name]), REMOVED_FIELD) for name in gone),
        *(
            Problem(str(form[name].label), old_value(form[name], values.get(name)), reason)
            for name in fields
            if (reason := _reason(form, name, values))
        ),
    ]


def old_value(bound: BoundField, value: Any) -> str:
    """Format an old value as text."""
    return display(bound, _to_field_type(bound.field, value))


def _reason(form: ProfileForm[Any], name: str, values: Mapping[str, Any]) -> str | Promise:
    if name not in values:
        return ADDED_FIELD
    if name in form.errors:
        return " ".join(map(str, form.errors[name]))
    restored = json.loads(DjangoJSONEncoder().encode(form.cleaned_data[name]))
    return ADJUSTED if restored != values[name] and (restored or values[name]) else ""


def _to_field_type(field: forms.Field, value: Any) -> Any:
    """Convert a stored value to the type that the field expects."""
    if isinstance(field, ListField | LanguagesField | forms.MultipleChoiceField):
        return list(map(str, value)) if isinstance(value, list) else [str(value)] if value else []
    if isinstance(field, forms.BooleanField):
        return value is True
    return None if value is None else _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    return ", ".join(map(str, value)) if isinstance(value, list) else str("" if value is None else value)


def _name_as_label(name: str) -> str:
    return name.replace("_", " ").capitalize()
