"""Describe audit rows for operators: the action, the source, and the changed fields with their old and new values."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.activity import ACTION_LABELS
from accounts.models import User
from audit.models import AuditLog
from webhooks.monitoring import point_in_time

Action, Source = AuditLog.Action, AuditLog.Source
ROLE_ACTIONS = (Action.ROLE_ADDED, Action.ROLE_REMOVED)
SOURCES = {
    Source.WEBHOOK: gettext_lazy("from a Clerk webhook"),
    Source.RECONCILIATION: gettext_lazy("from reconciliation"),
    Source.REQUEST: gettext_lazy("on this site"),
    Source.COMMAND: gettext_lazy("from a command"),
    Source.SYSTEM: gettext_lazy("by the system"),
}
FROM_CLERK = (Source.WEBHOOK, Source.RECONCILIATION)


def describe(row: AuditLog) -> dict[str, Any]:
    """Return an audit row for templates: icon, kind, title, source, changes, note, and whether roles were added."""
    summary = {
        "title": _title(row),
        "source": SOURCES[Source(row.source)],
        "changes": _changes(row),
        "note": _note(row),
    }
    return summary | _kind(row)


def _kind(row: AuditLog) -> dict[str, Any]:
    if row.action in ROLE_ACTIONS:
        direction = _("Clerk → here") if row.source in FROM_CLERK else _("here → Clerk")
        return {"icon": "role", "kind": _("Role"), "direction": direction}
    if row.action in (Action.PUSH_REFUSED, Action.PUSH_STOPPED):
        return {"icon": "push", "kind": _("Push")}
    if row.actor_id and not row.changed_fields:
        return {"icon": "action", "kind": _("Action")}
    return {"icon": "change", "kind": _("Change")}


def _title(row: AuditLog) -> str:
    label = str(ACTION_LABELS.get(row.action) or row.action.replace("_", " ").capitalize())
    role = (row.details or {}).get("role")
    return f"{label}: {User.Role(role).label}" if role in User.Role.values else label


def _changes(row: AuditLog) -> list[tuple[Any, Any, Any]]:
    """Return the label, old value and new value of each changed field."""
    details = row.details or {}
    pairs = [(name, *details.get(name, ("", ""))) for name in row.changed_fields]
    return [(point_in_time.FIELDS.get(name, name), _display(old), _display(new)) for name, old, new in pairs]


def _display(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "–"
    if isinstance(value, dict):  # for example, a portfolio project is identified by its title
        pairs = [(name, each) for name, each in value.items() if each not in (None, "", [])]
        pairs.sort(key=lambda pair: pair[0] != "title")
        return ", ".join(f"{name}: {_display(each)}" for name, each in pairs)
    return "–" if value in (None, "", []) else value


def _note(row: AuditLog) -> str:
    """Return the reason that the actor entered, or Clerk's reason for rejecting a push."""
    details = row.details or {}
    return str(details.get("note") or details.get("reason") or "")
