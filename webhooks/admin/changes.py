"""What an audit row tells, in words: what happened, by which way, and each changed field before and after."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.activity import ACTION_LABELS
from accounts.models import User
from audit.models import AuditLog
from webhooks.monitoring import point_in_time

Action, Source = AuditLog.Action, AuditLog.Source
ROLE_ACTIONS = (Action.ROLE_ADDED, Action.ROLE_REMOVED)
#: By which way a change came.
WAYS = {
    Source.WEBHOOK: gettext_lazy("told by Clerk"),
    Source.RECONCILIATION: gettext_lazy("found by comparing with Clerk"),
    Source.REQUEST: gettext_lazy("done here"),
    Source.COMMAND: gettext_lazy("done by a command"),
    Source.SYSTEM: gettext_lazy("done by the system"),
}
FROM_CLERK = (Source.WEBHOOK, Source.RECONCILIATION)


def describe(row: AuditLog) -> dict[str, Any]:
    """Return the icon and the kind of a row, what happened and how, what changed, and why."""
    words = {"what": _what(row), "way": WAYS[Source(row.source)], "changes": _changes(row), "note": _note(row)}
    return words | _kind(row)


def _kind(row: AuditLog) -> dict[str, Any]:
    """Return the icon and the kind of an audit row, and of roles which way they went."""
    if row.action in ROLE_ACTIONS:
        direction = _("Clerk → here") if row.source in FROM_CLERK else _("here → Clerk")
        return {"icon": "role", "kind": _("Role"), "direction": direction}
    if row.action in (Action.PUSH_REFUSED, Action.PUSH_STOPPED):
        return {"icon": "push", "kind": _("Push")}
    if row.actor_id and not row.changed_fields:
        return {"icon": "action", "kind": _("Action")}
    return {"icon": "change", "kind": _("Change")}


def _what(row: AuditLog) -> str:
    words = str(ACTION_LABELS.get(row.action) or row.action.replace("_", " ").capitalize())
    role = (row.details or {}).get("role")
    return f"{words}: {User.Role(role).label}" if role in User.Role.values else words


def _changes(row: AuditLog) -> list[tuple[Any, Any, Any]]:
    """Return each changed field with its old and new value, for people to read."""
    details = row.details or {}
    pairs = [(name, *details.get(name, ("", ""))) for name in row.changed_fields]
    return [(point_in_time.FIELDS.get(name, name), _shown(old), _shown(new)) for name, old, new in pairs]


def _shown(value: Any) -> Any:
    """Return a value as people write it, and a dash where there is none."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "–"
    if isinstance(value, dict):  # such as a project, whose title says more than the rest
        told = [(name, each) for name, each in value.items() if each not in (None, "", [])]
        return ", ".join(f"{name}: {_shown(each)}" for name, each in sorted(told, key=lambda pair: pair[0] != "title"))
    return "–" if value in (None, "", []) else value


def _note(row: AuditLog) -> str:
    """Return why somebody did it, or why Clerk refused."""
    details = row.details or {}
    return str(details.get("note") or details.get("reason") or "")
