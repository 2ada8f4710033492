"""What people do about alerts. Each deed is audited, and an alert that is over already is left alone."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from audit.log import Origin
from audit.models import AuditLog
from webhooks.models import Alert, Notice
from webhooks.monitoring import alerts

Action = AuditLog.Action


class Deed(StrEnum):
    """What can be done about an alert."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    RESOLVE = "resolve"


ACTIONS = {
    Deed.ACKNOWLEDGE: Action.ALERT_ACKNOWLEDGED,
    Deed.SNOOZE: Action.ALERT_SNOOZED,
    Deed.RESOLVE: Action.ALERT_RESOLVED,
}


@transaction.atomic
def take(alert_id: int, deed: Deed, *, actor: User, origin: Origin, note: str, length: timedelta) -> bool:
    """Take care of an alert.

    Args:
        note: why, or what was done.
        length: for how long it is put off, if it is.

    Returns:
        False if it was resolved meanwhile, and nothing was done.
    """
    alert = Alert.objects.open().select_for_update(of=["self"]).filter(pk=alert_id).first()
    if alert is None:
        return False
    now = timezone.now()
    changes: dict[Deed, dict[str, Any]] = {
        Deed.ACKNOWLEDGE: {"acknowledged_at": now, "acknowledged_by": actor, "snoozed_until": None},
        Deed.SNOOZE: {"snoozed_until": now + length},
        Deed.RESOLVE: {"resolved_at": now, "resolved_by": actor},
    }
    notes = "\n".join(filter(None, (alert.note, note)))
    Alert.objects.filter(pk=alert.pk).update(**changes[deed], note=notes)
    if deed == Deed.RESOLVE:
        alerts.tell(alert, Notice.What.RESOLVED)
    log.record(ACTIONS[deed], actor=actor, target=alert, origin=origin, rule=alert.rule, note=note)
    return True
