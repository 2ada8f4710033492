"""What to tell somebody whose section was changed by somebody else meanwhile: their version and the other, field by field."""

from dataclasses import dataclass
from typing import Any

from django.forms import BoundField
from django.utils.translation import gettext

from profiles.forms import ProfileForm


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which two versions differ, in words."""

    label: str
    theirs: str
    yours: str


def differences(form: ProfileForm, stored: Any) -> list[Difference]:
    """Return where what was typed into a valid `form` differs from what is `stored`."""
    return [
        Difference(str(bound.label), _words(bound, theirs), _words(bound, yours))
        for bound in form
        if (theirs := getattr(stored, bound.name)) != (yours := form.cleaned_data[bound.name])
    ]


def _words(bound: BoundField, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    labels = dict(getattr(bound.field, "choices", ()))
    if labels:
        chosen = value if isinstance(value, list) else [value]
        return ", ".join(str(labels.get(each, each)) for each in chosen) or gettext("Nothing")
    return str(bound.field.prepare_value(value) or "") or gettext("Nothing")
