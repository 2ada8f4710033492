"""Validate PATCH requests with the website's forms."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from profiles.api.errors import ApiError
from profiles.api.parsers import Number
from profiles.editing.sections import BUILDER_SECTIONS
from profiles.forms.fields import LanguagesField, ListField
from profiles.forms.sections import ClientForm, ProfileForm
from profiles.models import BuilderProfile, Profile

type Forms = Sequence[type[ProfileForm[Any]]]
type Errors = dict[str, list[str]]

BUILDER_FORMS: Forms = [section.form_class for section in BUILDER_SECTIONS.values()]
CLIENT_FORMS: Forms = [ClientForm]

EXPECTED_STRING, EXPECTED_BOOLEAN, EXPECTED_LIST = "Use a string.", "Use true or false.", "Use a list of strings."
EXPECTED_NUMBER = "Use a number, a numeric string, or null."
EXPECTED_DATE = "Use a date such as 2027-01-15, or null."


def validated(profile: Profile, data: Mapping[str, Any], read_only: frozenset[str]) -> dict[str, Any]:
    """Return the cleaned values of all fields in `data`.

    Args:
        profile: the stored, locked profile, which provides the values of all other fields.
        read_only: response fields that clients cannot change.

    Raises:
        ApiError: 422, with the errors of all fields.
    """
    form_classes = BUILDER_FORMS if isinstance(profile, BuilderProfile) else CLIENT_FORMS
    errors = _type_errors(data, form_classes) | _unknown_field_errors(data, form_classes, read_only)
    cleaned: dict[str, Any] = {}
    for form_class in form_classes:
        if data.keys() & form_class.base_fields.keys() - errors.keys():
            form = _bound_form(form_class, profile, {name: data[name] for name in data.keys() - errors.keys()})
            # Other fields may contain older invalid values, which this request does not change.
            errors |= {name: [str(text) for text in form.errors[name]] for name in form.errors.keys() & data.keys()}
            cleaned |= {name: form.cleaned_data[name] for name in form.cleaned_data.keys() & data.keys()}
    if errors:
        raise invalid(errors)
    return cleaned


def invalid(errors: Errors) -> ApiError:
    return ApiError(422, "invalid", "Some fields are invalid. Nothing was changed. See `fields`.", fields=errors)


def _bound_form(form_class: type[ProfileForm[Any]], profile: Profile, data: Mapping[str, Any]) -> ProfileForm[Any]:
    # Pass a copy, because a ModelForm changes its instance during validation.
    initial = form_class(instance=copy.copy(profile))
    values = {
        name: field.prepare_value(data[name]) if name in data else initial[name].value()
        for name, field in initial.fields.items()
    }
    return form_class(values, instance=copy.copy(profile))


def _unknown_field_errors(data: Mapping[str, Any], form_classes: Forms, read_only: frozenset[str]) -> Errors:
    known = {name for form_class in form_classes for name in form_class.base_fields} - read_only
    messages = {True: ["This field is read-only."], False: ["This field does not exist."]}
    return {name: messages[name in read_only] for name in data.keys() - known}


def _type_errors(data: Mapping[str, Any], form_classes: Forms) -> Errors:
    fields = {name: field for form_class in form_classes for name, field in form_class.base_fields.items()}
    errors = {name: _type_error(fields[name], data[name]) for name in data.keys() & fields.keys()}
    return {name: [error] for name, error in errors.items() if error}


def _type_error(field: forms.Field, value: Any) -> str:
    """Return an error message if `value` has the wrong type, otherwise "".

    The forms do not check types: they would convert ["x"] to a string.
    """
    match field:
        case forms.BooleanField():
            return "" if isinstance(value, bool) else EXPECTED_BOOLEAN
        case forms.IntegerField():  # includes decimal fields
            return "" if value is None or isinstance(value, str) else EXPECTED_NUMBER
        case forms.DateField():
            return "" if value is None or _is_string(value) else EXPECTED_DATE
        case ListField() | LanguagesField() | forms.MultipleChoiceField():
            return "" if isinstance(value, list) and all(map(_is_string, value)) else EXPECTED_LIST
    return "" if _is_string(value) else EXPECTED_STRING


def _is_string(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)
