"""What to tell somebody whose section was changed meanwhile: by whom and when, and both versions, field by field."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.forms import BoundField
from django.utils.translation import gettext

from accounts.models import User
from audit.log import Origin, target_key
from audit.models import AuditLog
from profiles.forms.sections import ProfileForm
from profiles.models import Profile
from profiles.permissions import Viewer, access_for


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


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what meanwhile, in words for whoever is told, and when."""

    who: str
    at: datetime


def last_change(profile: Profile, fields: Collection[str], viewer: User, origin: Origin) -> Change | None:
    """Return the latest change of any of `fields` that the audit log knows, or None; one query.

    Args:
        origin: of the request of `viewer`, who may be somebody else's eyes.
    """
    rows = AuditLog.objects.filter(target=target_key(profile), changed_fields__overlap=list(fields))
    row = rows.order_by("-id").first()
    return Change(_who(row, profile, viewer, origin), row.timestamp) if row else None


def _who(row: AuditLog, profile: Profile, viewer: User, origin: Origin) -> str:
    if (row.actor_id, row.impersonator) == (viewer.pk, origin.impersonator):
        return gettext("you in another tab")
    if row.impersonator:
        return gettext("our support")
    if row.actor_id is None:
        return gettext("Clerk") if row.source == AuditLog.Source.WEBHOOK else gettext("our system")
    # Owners are not told the names of those who look after the product.
    is_told = row.actor_id == profile.user_id or access_for(viewer, profile).role == Viewer.ADMIN
    return (is_told and row.actor_label) or gettext("an admin")


def _words(bound: BoundField, value: Any) -> str:
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    labels = dict(getattr(bound.field, "choices", ()))
    if labels:
        chosen = value if isinstance(value, list) else [value]
        return ", ".join(str(labels.get(each, each)) for each in chosen) or gettext("Nothing")
    return str(bound.field.prepare_value(value) or "") or gettext("Nothing")
