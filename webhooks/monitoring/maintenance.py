"""Schedule and end maintenance windows, during which alerts open without notifications. Each change is audited."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from webhooks.models import MaintenanceWindow


@transaction.atomic
def schedule(starts_at: datetime, ends_at: datetime, reason: str, actor: Actor) -> MaintenanceWindow:
    window = MaintenanceWindow.objects.create(
        starts_at=starts_at, ends_at=ends_at, reason=reason, created_by=actor.user
    )
    action = AuditLog.Action.MAINTENANCE_SCHEDULED
    log.record(action, actor=actor, target=window, starts_at=starts_at, ends_at=ends_at, reason=reason)
    return window


@transaction.atomic
def end(window_id: int, actor: Actor) -> bool:
    """End a window now, or cancel one that has not started. Return False, without changes, if it is already over."""
    now = timezone.now()
    window = MaintenanceWindow.objects.not_over(now).select_for_update(of=["self"]).filter(pk=window_id).first()
    if window is None:
        return False
    earlier, window.ends_at = window.ends_at, max(now, window.starts_at)
    window.save(update_fields=["ends_at"])
    changes = {"ends_at": (earlier, window.ends_at)}
    log.record(AuditLog.Action.MAINTENANCE_ENDED, actor=actor, target=window, changes=changes)
    return True
