"""Alert actions: acknowledge, snooze and resolve. Each action is audited. Resolved alerts cannot be changed."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.interface_languages import english
from webhooks.models import Alert, Notification
from webhooks.monitoring import signals
from webhooks.monitoring.health import measure
from webhooks.monitoring.notifications import services as notifications
from webhooks.monitoring.rules import RULES


class AlertAction(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    RESOLVE = "resolve"


AUDIT_ACTIONS = {
    AlertAction.ACKNOWLEDGE: AuditLog.Action.ALERT_ACKNOWLEDGED,
    AlertAction.SNOOZE: AuditLog.Action.ALERT_SNOOZED,
    AlertAction.RESOLVE: AuditLog.Action.ALERT_RESOLVED,
}


@transaction.atomic
def apply_action(alert_id: int, action: AlertAction, *, actor: Actor, note: str, snooze_for: timedelta) -> bool:
    """Apply an action to an open alert and audit it.

    Args:
        note: the reason or a description, which is appended to the alert's note.
        snooze_for: used by SNOOZE only.

    Returns:
        False, without changes, if the alert is already resolved.
    """
    alert = Alert.objects.open().select_for_update(of=["self"]).filter(pk=alert_id).first()
    if alert is None:
        return False
    now = timezone.now()
    changes: dict[AlertAction, dict[str, Any]] = {
        AlertAction.ACKNOWLEDGE: {"acknowledged_at": now, "acknowledged_by": actor.user, "snoozed_until": None},
        AlertAction.SNOOZE: {"snoozed_until": now + snooze_for},
        AlertAction.RESOLVE: {"resolved_at": now, "resolved_by": actor.user},
    }
    if action == AlertAction.RESOLVE:
        changes[action]["resolution"] = _current_figures(alert)
    notes = "\n".join(filter(None, (alert.note, note)))
    Alert.objects.filter(pk=alert.pk).update(**changes[action], note=notes)
    if action == AlertAction.RESOLVE:
        notifications.queue(alert, Notification.Kind.RESOLVED)
    log.record(AUDIT_ACTIONS[action], actor=actor, target=alert, rule=alert.rule, note=note)
    return True


def _current_figures(alert: Alert) -> str:
    """Return the signal's current sentence, which also says so if the problem still exists."""
    rule = Alert.Rule(alert.rule)
    with english():
        return signals.read(rule, RULES[rule], measure()).summary[:500]
