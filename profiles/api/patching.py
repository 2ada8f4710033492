"""What a PATCH changes, by the rules of the forms that people fill in on pages."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from profiles.api.errors import ApiError
from profiles.api.parsers import Number
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.forms.fields import ListField
from profiles.forms.sections import ClientForm, ProfileForm
from profiles.models import BuilderProfile, Profile

type Forms = Sequence[type[ProfileForm]]
type Errors = dict[str, list[str]]

BUILDER_FORMS: Forms = [section.form_class for section in BUILDER_SECTIONS.values()]
CLIENT_FORMS: Forms = [ClientForm]

TEXT, FLAG, TEXTS = "Give a text.", "Give true or false.", "Give a list of texts."
NUMBER = "Give a number, a text with a number in it, or null."


def validated(profile: Profile, given: Mapping[str, Any], read_only: frozenset[str]) -> dict[str, Any]:
    """Return the cleaned values of all fields that are `given`.

    Args:
        profile: as it is stored, and locked; the other fields of each form keep their values.
        read_only: names that a program may know, but not change.

    Raises:
        ApiError: 422, which names every field that something is wrong with.
    """
    form_classes = BUILDER_FORMS if isinstance(profile, BuilderProfile) else CLIENT_FORMS
    errors = _mistyped(given, form_classes) | _misnamed(given, form_classes, read_only)
    cleaned: dict[str, Any] = {}
    for form_class in form_classes:
        if given.keys() & form_class.base_fields.keys() - errors.keys():
            form = _filled_in(form_class, profile, {name: given[name] for name in given.keys() - errors.keys()})
            # What is wrong with the others was so before, and is not what this is about.
            errors |= {name: [str(text) for text in form.errors[name]] for name in form.errors.keys() & given.keys()}
            cleaned |= {name: form.cleaned_data[name] for name in form.cleaned_data.keys() & given.keys()}
    if errors:
        raise invalid(errors)
    return cleaned


def invalid(errors: Errors) -> ApiError:
    """Return the refusal that names what is wrong with each field."""
    return ApiError(422, "invalid", "Nothing was changed: see what is wrong with the fields.", fields=errors)


def _filled_in(form_class: type[ProfileForm], profile: Profile, given: Mapping[str, Any]) -> ProfileForm:
    """Return the form as a person would have filled it in to say what is given."""
    # A copy, because checking a form writes to what it is about.
    shown = form_class(instance=copy.copy(profile))
    typed = {
        name: field.prepare_value(given[name]) if name in given else shown[name].value()
        for name, field in shown.fields.items()
    }
    return form_class(typed, instance=copy.copy(profile))


def _misnamed(given: Mapping[str, Any], form_classes: Forms, read_only: frozenset[str]) -> Errors:
    known = {name for form_class in form_classes for name in form_class.base_fields} - read_only
    told = {True: ["This cannot be changed here."], False: ["There is no such field."]}
    return {name: told[name in read_only] for name in given.keys() - known}


def _mistyped(given: Mapping[str, Any], form_classes: Forms) -> Errors:
    fields = {name: field for form_class in form_classes for name, field in form_class.base_fields.items()}
    found = {name: _trouble_with(fields[name], given[name]) for name in given.keys() & fields.keys()}
    return {name: [trouble] for name, trouble in found.items() if trouble}


def _trouble_with(field: forms.Field, value: Any) -> str:
    """Return what is wrong with the type of `value`, if anything; a form alone would take ["x"] for a text."""
    match field:
        case forms.BooleanField():
            return "" if isinstance(value, bool) else FLAG
        case forms.DecimalField():
            return "" if value is None or isinstance(value, str) else NUMBER
        case ListField() | forms.MultipleChoiceField():
            return "" if isinstance(value, list) and all(map(_is_text, value)) else TEXTS
    return "" if _is_text(value) else TEXT


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)
