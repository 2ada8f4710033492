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
from profiles.forms.fields import LanguagesField
from profiles.forms.sections import ProfileForm
from profiles.localization import languages
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
        Difference(str(bound.label), display(bound, current), display(bound, submitted))
        for bound in form.visible_fields()
        if (current := form.value_of(stored, bound.name)) != (submitted := form.cleaned_data[bound.name])
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
    if row.actor_id is None and row.source == AuditLog.Source.WEBHOOK:
        return gettext("Clerk")
    return describe_actor(
        profile,
        viewer,
        user_id=row.actor_id,
        impersonator=row.impersonator,
        name=row.actor_label or "",
        you=gettext("you in another tab"),
    )


def describe_actor(
    profile: Profile, viewer: Actor, *, user_id: int | None, impersonator: str | None, name: str, you: str
) -> str:
    """Return a description of the actor to show to `viewer`. Owners do not see admin names."""
    # An admin who impersonates the owner is not described as the owner.
    if (user_id, impersonator) == (viewer.user.pk, viewer.impersonator):
        return you
    if impersonator:
        # Translators: this label follows "by", as in "changed by our support team".
        return gettext("our support team")
    if user_id is None:
        # Translators: this label follows "by", as in "changed by our system".
        return gettext("our system")
    may_see_name = user_id == profile.user_id or access_for(viewer.user, profile).role == Viewer.ADMIN
    # Translators: this label follows "by", as in "changed by an admin".
    return (may_see_name and name) or gettext("an admin")


def display(bound: BoundField, value: Any) -> str:
    """Format a field's value as text."""
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(bound.field, LanguagesField):
        return ", ".join(map(languages.described, value)) or gettext("Empty")
    labels = dict(getattr(bound.field, "choices", ()))
    if labels:
        chosen = value if isinstance(value, list) else [value]
        return ", ".join(str(labels.get(choice, choice)) for choice in chosen) or gettext("Empty")
    return str(bound.field.prepare_value(value) or "") or gettext("Empty")
