"""An account's recent activity, described for its user."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.extensions import extensions
from accounts.models import User
from audit.models import AuditLog

Action = AuditLog.Action
MAX_ENTRIES = 8
#: Labels for the actions that users see. Other actions are internal.
ACTION_LABELS: dict[str, str | Promise] = {
    Action.USER_CREATED: _("Account created"),
    Action.USER_UPDATED: _("Account updated"),
    Action.ROLE_ADDED: _("Role added"),
    Action.ROLE_REMOVED: _("Role removed"),
    Action.PROFILE_CREATED: _("Profile created"),
    Action.PROFILE_UPDATED: _("Profile updated"),
    Action.IDENTITY_LINKED: _("Linked to your earlier account"),
    Action.IDENTITY_MOVED: _("Merged with your other account"),
    Action.DELETION_REQUESTED: _("Account deletion requested"),
    Action.DELETION_CANCELLED: _("Account deletion cancelled"),
    Action.DATA_EXPORT_REQUESTED: _("Data export requested"),
    Action.DATA_EXPORTED: _("Data export ready"),
    Action.MEMBERSHIP_ADDED: _("Joined an organization"),
    Action.MEMBERSHIP_CHANGED: _("Role in an organization changed"),
    Action.MEMBERSHIP_REMOVED: _("Left an organization"),
}
#: Labels for user fields. Apps above add their own labels. Fields without a label are not shown.
FIELD_LABELS: dict[str, str | Promise] = {
    "name": _("name"),
    "email": _("email"),
    "username": _("username"),
    "image_url": _("image"),
    "banned": _("ban"),
    "locked": _("lock"),
    "deleted_at": _("deleted"),
}


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """An entry in the recent activity.

    Attributes:
        text: for example "Profile updated: headline".
        actor: a label for the actor, or "" if the actor was the user or the system.
    """

    at: datetime
    text: str
    actor: str


def recent_activity(user: User) -> list[ActivityEntry]:
    rows = AuditLog.objects.about(user.pk).filter(action__in=ACTION_LABELS).order_by("-id")[:MAX_ENTRIES]
    return [ActivityEntry(row.timestamp, _text(row), _actor(row, user)) for row in rows]


def _text(row: AuditLog) -> str:
    if publication := _publication(row):
        return publication
    known = FIELD_LABELS | extensions.field_labels
    labels = (str(known[field]) for field in row.changed_fields if field in known)
    detail = _role(row.details or {}) or ", ".join(dict.fromkeys(labels))
    action = str(ACTION_LABELS[row.action])
    return f"{action}: {detail}" if detail and row.action not in _WITHOUT_DETAIL else action


_WITHOUT_DETAIL = {Action.USER_CREATED, Action.IDENTITY_LINKED}


def _publication(row: AuditLog) -> str:
    change = (row.details or {}).get("unpublished_at")
    if row.action != Action.PROFILE_UPDATED or row.changed_fields != ["unpublished_at"] or not change:
        return ""
    return gettext("Page published") if change[1] is None else gettext("Page unpublished")


def _role(details: dict[str, Any]) -> str:
    role = details.get("role")
    return str(User.Role(role).label) if role in User.Role.values else ""


def _actor(row: AuditLog, user: User) -> str:
    """Return a label for the actor, without naming admins or support staff."""
    if row.impersonator:
        return gettext("our support team")
    if row.actor_id in (None, user.pk):
        return ""
    return gettext("an admin")
