"""The state of a user at a point in time, reconstructed from the audit log.

Each entry of the log contains the previous values. A field's value is the previous value in the first change after that
time. A field without later changes has its current value. If the log does not contain the value, because an entry was
erased or the field was not recorded, the reason is shown.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit.log import target_key
from audit.models import AuditLog

Action = AuditLog.Action
#: Audited fields that are shown on the user's admin page.
FIELDS = {
    "name": gettext_lazy("Name"),
    "username": gettext_lazy("Username"),
    "email": gettext_lazy("Email"),
    "email_verified_at": gettext_lazy("Email verified"),
    "image_url": gettext_lazy("Image"),
    "banned": gettext_lazy("Banned"),
    "locked": gettext_lazy("Locked"),
    "deleted_at": gettext_lazy("Deleted"),
    "deletion_due_at": gettext_lazy("Deletion due"),
    "clerk_id": gettext_lazy("Clerk ID"),
}
TIME_FIELDS = ("email_verified_at", "deleted_at", "deletion_due_at")
#: Fields cleared when a user is erased.
PERSONAL_FIELDS = ("name", "username", "email", "email_verified_at", "image_url")
#: Fields that an IDENTITY_MOVED entry records for both accounts.
SNAPSHOT_FIELDS = ("name", "email", "deleted_at", "clerk_id")
#: Maximum number of changes to read. Real users have far fewer.
MAX_ROWS = 2000
ROLES = "roles"


@dataclass(frozen=True, slots=True)
class FieldState:
    """A field's value at the time, or the reason why it is unknown."""

    label: str | Promise
    value: Any = None
    unknown_because: str = ""


@dataclass(slots=True)
class _History:
    """The values found so far. Changes are read oldest first, so the first value found for a field is kept."""

    values: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    roles: dict[str, bool] = field(default_factory=dict)

    def set(self, name: str, value: Any) -> None:
        if name not in self.unknown:
            self.values.setdefault(name, value)

    def set_unknown(self, name: str, reason: str) -> None:
        if name not in self.values:
            self.unknown.setdefault(name, reason)

    def undo(self, row: AuditLog) -> None:
        if row.details is None:
            self._undo_erased(row)
            return
        if row.action in (Action.ROLE_ADDED, Action.ROLE_REMOVED):
            self.roles.setdefault(row.details.get("role", ""), row.action == Action.ROLE_REMOVED)
        if row.action == Action.IDENTITY_LINKED:
            self.set("clerk_id", None)
        if row.action == Action.IDENTITY_MOVED:
            self._undo_move(row.details["before"], row.details["after"])
        for name in row.changed_fields:
            self.set(name, row.details[name][0])

    def _undo_move(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        for name in SNAPSHOT_FIELDS:
            self.set(name, before[name])
        for role in User.Role.values:
            self.roles.setdefault(role, role in before[ROLES])
        if after["clerk_id"] is None:  # no other fields were recorded for the account that lost its identity
            for name in FIELDS:
                self.set_unknown(name, _("The identity was moved to another account later, and this was not recorded."))

    def _undo_erased(self, row: AuditLog) -> None:
        """Mark the changed fields as unknown. An erased entry contains the field names, but no values."""
        is_role = row.action in (Action.ROLE_ADDED, Action.ROLE_REMOVED)
        names = FIELDS if row.action == Action.IDENTITY_MOVED else row.changed_fields
        for name in (*names, *([ROLES] if is_role or row.action == Action.IDENTITY_MOVED else [])):
            self.set_unknown(name, _("Changed later, and the previous value was erased."))


def fields_at(user: User, moment: datetime) -> list[FieldState] | None:
    """Return the user's fields at a point in time, or None if the account did not exist. Uses one statement."""
    if moment < user.created_at:
        return None
    later = AuditLog.objects.filter(target=target_key(user), timestamp__gt=moment)
    rows = list(later.order_by("pk").only("action", "changed_fields", "details")[: MAX_ROWS + 1])
    history = _History()
    for row in rows[:MAX_ROWS]:
        history.undo(row)
    if len(rows) > MAX_ROWS:
        for name in (*FIELDS, ROLES):
            history.set_unknown(name, _("Too many later changes to reconstruct the value."))
    if user.erased_at and user.erased_at > moment:
        for name in PERSONAL_FIELDS:
            history.set_unknown(name, _("Erased later."))
    return [*(_field_state(user, history, name) for name in FIELDS), _roles(user, history)]


def _field_state(user: User, history: _History, name: str) -> FieldState:
    if name in history.unknown:
        return FieldState(FIELDS[name], unknown_because=history.unknown[name])
    value = history.values.get(name, getattr(user, name))
    is_text_time = name in TIME_FIELDS and isinstance(value, str)
    return FieldState(FIELDS[name], parse_datetime(value) if is_text_time else value)


def _roles(user: User, history: _History) -> FieldState:
    if ROLES in history.unknown:
        return FieldState(_("Roles"), unknown_because=history.unknown[ROLES])
    held = [role for role in User.Role if history.roles.get(role, role in user.roles)]
    return FieldState(_("Roles"), ", ".join(str(role.label) for role in held))
