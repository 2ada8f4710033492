"""What happened to an account, in words for its person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.models import AuditLog

Action = AuditLog.Action
MAX_ENTRIES = 8
#: What each action is called; those that are not here are our own business.
ACTION_LABELS: dict[str, str | Promise] = {
    Action.USER_CREATED: _("Account created"),
    Action.USER_UPDATED: _("Account changed"),
    Action.ROLE_ADDED: _("Role given"),
    Action.ROLE_REMOVED: _("Role taken"),
    Action.PROFILE_CREATED: _("Profile created"),
    Action.PROFILE_UPDATED: _("Profile changed"),
    Action.IDENTITY_LINKED: _("Linked with your earlier account"),
    Action.IDENTITY_MOVED: _("Joined with your other account"),
    Action.DELETION_REQUESTED: _("Deletion of the account asked for"),
    Action.DELETION_CANCELLED: _("Account kept after all"),
    Action.DATA_EXPORT_REQUESTED: _("Copy of the data asked for"),
    Action.DATA_EXPORTED: _("Copy of the data made"),
}
#: Fields as people call them; others are called by a common word.
FIELD_LABELS: dict[str, str | Promise] = {
    "name": _("name"),
    "email": _("e-mail"),
    "username": _("username"),
    "image_url": _("picture"),
    "image": _("picture"),
    "portfolio": _("portfolio"),
    "banned": _("ban"),
    "display_name": _("name shown"),
    "headline": _("headline"),
    "tagline": _("tagline"),
    "bio": _("about you"),
    "location": _("place"),
    "time_zone": _("time zone"),
    "domains": _("domains"),
    "skills": _("skills"),
    "expertise": _("areas of expertise"),
    "links": _("links"),
    "projects": _("portfolio"),
    "available_for_hire": _("availability"),
    "availability": _("availability"),
    "availability_confirmed_at": _("availability"),
    "hourly_rate": _("hourly rate"),
    "currency": _("hourly rate"),
    "adhd_friendly": _("ADHD-friendly focus"),
    "searchable": _("listing in the directory"),
    "slug": _("address of the page"),
    "unpublished_at": _("whether it is published"),
    "hidden_at": _("whether our team hides it"),
    "hidden_reason": _("why our team hides it"),
    "validation_tier": _("tier"),
    "validation_evidence": _("tier"),
    "validated_at": _("tier"),
    "badges": _("badges"),
    "featured_at": _("being featured"),
    "completed_projects": _("track record"),
    "response_rate": _("track record"),
    "company_name": _("company"),
    "industry": _("industry"),
    "project_preferences": _("what you look for"),
    "archived_at": _("whether the role is there"),
    "deleted_at": _("whether it is deleted"),
}


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One line of the account's recent activity.

    Attributes:
        what: such as "Profile changed: headline".
        by: who did it, if it was not the person.
    """

    at: datetime
    what: str
    by: str


def recent_activity(user: User) -> list[ActivityEntry]:
    """Return the latest things that happened to an account, newest first; one query."""
    rows = AuditLog.objects.about(user.pk).filter(action__in=ACTION_LABELS).order_by("-id")[:MAX_ENTRIES]
    return [ActivityEntry(row.timestamp, _what(row), _by(row, user)) for row in rows]


def _what(row: AuditLog) -> str:
    detail = _role(row.details or {}) or ", ".join(
        dict.fromkeys(str(FIELD_LABELS[f]) for f in row.changed_fields if f in FIELD_LABELS)
    )
    return (
        f"{ACTION_LABELS[row.action]}: {detail}"
        if detail and row.action not in _WITHOUT_DETAIL
        else str(ACTION_LABELS[row.action])
    )


_WITHOUT_DETAIL = {Action.USER_CREATED, Action.IDENTITY_LINKED}


def _role(details: dict[str, Any]) -> str:
    role = details.get("role")
    return str(User.Role(role).label) if role in User.Role.values else ""


def _by(row: AuditLog, user: User) -> str:
    """Return who did it: nobody is named who only looked after the product."""
    if row.impersonator:
        return gettext("our support")
    if row.actor_id in (None, user.pk):
        return ""
    return gettext("an admin")
