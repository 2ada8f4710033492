"""What was known of a person at a time, read from the audit log: every change keeps the value before it.

The first change after the moment says what a field was; a field that has not changed since is as it is now. Where the
log cannot say it, because it was erased or does not tell, that is said instead of a guess.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit.log import target_of
from audit.models import AuditLog

Action = AuditLog.Action
#: Of the audited fields, those that the person's page in the admin shows.
FIELDS = {
    "name": gettext_lazy("Name"),
    "username": gettext_lazy("Username"),
    "email": gettext_lazy("E-mail"),
    "email_verified_at": gettext_lazy("E-mail verified"),
    "image_url": gettext_lazy("Picture"),
    "banned": gettext_lazy("Banned"),
    "deleted_at": gettext_lazy("Deleted"),
    "deletion_due_at": gettext_lazy("Deletion due"),
    "clerk_id": gettext_lazy("Clerk id"),
}
MOMENTS = ("email_verified_at", "deleted_at", "deletion_due_at")
#: Emptied when a person is erased.
PERSONAL = ("name", "username", "email", "email_verified_at", "image_url")
#: What a move of an identity keeps of both accounts.
IN_SNAPSHOT = ("name", "email", "deleted_at", "clerk_id")
#: Changes that are looked at; no person has so many.
MOST_ROWS = 2000
ROLES = "roles"


@dataclass(frozen=True, slots=True)
class Fact:
    """A field at the time: its value, or, if `why_not` is not blank, why that cannot be known."""

    label: Any
    value: Any = None
    why_not: str = ""


@dataclass(slots=True)
class _Past:
    """What has been found of the past so far; what was found first is nearest to the moment, and stays."""

    values: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    roles: dict[str, bool] = field(default_factory=dict)

    def set(self, name: str, value: Any) -> None:
        if name not in self.unknown:
            self.values.setdefault(name, value)

    def lose(self, name: str, why: str) -> None:
        if name not in self.values:
            self.unknown.setdefault(name, why)

    def undo(self, row: AuditLog) -> None:
        """Take in what a change says of the time before it."""
        if row.details is None:
            self._lose_all(row)
            return
        if row.action in (Action.ROLE_ADDED, Action.ROLE_REMOVED):
            self.roles.setdefault(row.details.get("role", ""), row.action == Action.ROLE_REMOVED)
        if row.action == Action.IDENTITY_LINKED:
            self.set("clerk_id", None)
        if row.action == Action.IDENTITY_MOVED:
            self._undo_move(row.details["before"], row.details["after"])
        for name in row.changed:
            self.set(name, row.details[name][0])

    def _undo_move(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        for name in IN_SNAPSHOT:
            self.set(name, before[name])
        for role in User.Role.values:
            self.roles.setdefault(role, role in before[ROLES])
        if after["clerk_id"] is None:  # of the account that lost its identity, no more than that was recorded
            for name in FIELDS:
                self.lose(name, _("The identity moved to another account since, and this was not recorded."))

    def _lose_all(self, row: AuditLog) -> None:
        """Note that a change was erased: which fields it was of is known still, their values are not."""
        is_role = row.action in (Action.ROLE_ADDED, Action.ROLE_REMOVED)
        names = FIELDS if row.action == Action.IDENTITY_MOVED else row.changed
        for name in (*names, *([ROLES] if is_role or row.action == Action.IDENTITY_MOVED else [])):
            self.lose(name, _("It changed since, and what it was has been erased."))


def at(user: User, moment: datetime) -> list[Fact] | None:
    """Return what was known of the person at a moment; None if nothing was. One statement."""
    if moment < user.created_at:
        return None
    later = AuditLog.objects.filter(target=target_of(user), timestamp__gt=moment)
    rows = list(later.order_by("pk").only("action", "changed", "details")[: MOST_ROWS + 1])
    past = _Past()
    for row in rows[:MOST_ROWS]:
        past.undo(row)
    if len(rows) > MOST_ROWS:
        for name in (*FIELDS, ROLES):
            past.lose(name, _("More has changed since than is looked at."))
    if user.erased_at and user.erased_at > moment:
        for name in PERSONAL:
            past.lose(name, _("It was erased since."))
    return [*(_fact(user, past, name) for name in FIELDS), _roles(user, past)]


def _fact(user: User, past: _Past, name: str) -> Fact:
    if name in past.unknown:
        return Fact(FIELDS[name], why_not=past.unknown[name])
    value = past.values.get(name, getattr(user, name))
    return Fact(FIELDS[name], parse_datetime(value) if name in MOMENTS and isinstance(value, str) else value)


def _roles(user: User, past: _Past) -> Fact:
    if ROLES in past.unknown:
        return Fact(_("Roles"), why_not=past.unknown[ROLES])
    held = [role for role in User.Role if past.roles.get(role, role in user.roles)]
    return Fact(_("Roles"), ", ".join(str(role.label) for role in held))
