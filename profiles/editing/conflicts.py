"""Describe an edit conflict: who saved last, when, and how the two versions differ."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.forms import BoundField
from django.utils.translation import gettext

from audit.log import Actor, target_key
from audit.models import AuditLog
from profiles import languages
from profiles.forms.fields import LanguagesField
from profiles.forms.sections import ProfileForm
from profiles.models import Profile
from profiles.permissions import Viewer, access_for


@dataclass(frozen=True, slots=True)
class Difference:
    """A field with different stored and submitted values, formatted as text."""

    label: str
    stored: str
    submitted: str


def differences(form: ProfileForm[Any], stored: Model) -> list[Difference]:
    """Return the fields in which a valid `form` differs from `stored`."""
    return [
        Difference(str(bound.label), _display(bound, current), _display(bound, submitted))
        for bound in form
        if (current := getattr(stored, bound.name)) != (submitted := form.cleaned_data[bound.name])
    ]


@dataclass(frozen=True, slots=True)
class LastChange:
    """The last change: its actor, described for the viewer, and its time."""

    by: str
    at: datetime


def last_change(profile: Profile, fields: Collection[str], viewer: Actor) -> LastChange | None:
    """Return the latest audited change to any of `fields`, or None, using one query."""
    rows = AuditLog.objects.filter(target=target_key(profile), changed_fields__overlap=list(fields))
    row = rows.order_by("-id").first()
    return LastChange(_actor_label(row, profile, viewer), row.timestamp) if row else None


def _actor_label(row: AuditLog, profile: Profile, viewer: Actor) -> str:
    # An admin who impersonates the owner is not described as the owner.
    if (row.actor_id, row.impersonator) == (viewer.user.pk, viewer.impersonator):
        return gettext("you in another tab")
    if row.impersonator:
        return gettext("our support team")
    if row.actor_id is None:
        return gettext("Clerk") if row.source == AuditLog.Source.WEBHOOK else gettext("our system")
    # Admin names are not shown to owners.
    may_see_name = row.actor_id == profile.user_id or access_for(viewer.user, profile).role == Viewer.ADMIN
    return (may_see_name and row.actor_label) or gettext("an admin")


def _display(bound: BoundField, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(bound.field, LanguagesField):
        return ", ".join(map(languages.described, value)) or gettext("Empty")
    labels = dict(getattr(bound.field, "choices", ()))
    if labels:
        chosen = value if isinstance(value, list) else [value]
        return ", ".join(str(labels.get(choice, choice)) for choice in chosen) or gettext("Empty")
    return str(bound.field.prepare_value(value) or "") or gettext("Empty")
