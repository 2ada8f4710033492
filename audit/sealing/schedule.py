"""Check that the audit log is verified on schedule.

If an attacker stopped the job, changes to the log would not be detected.
"""

from datetime import datetime, timedelta

from croniter import croniter  # Procrastinate uses it for the same setting
from django.conf import settings

from audit.models import AuditSeal, AuditVerification
from core.times import MAX_AHEAD

#: Maximum time for the job to wait for a worker and to finish.
GRACE_PERIOD = timedelta(hours=2)


def verification_overdue_since(now: datetime) -> datetime | None:
    """Return when the log was last verified, or None if verification is on schedule.

    One missed run is allowed, for example if a worker restarts at that time. If the log has never been verified, the
    first seal's time is used. A log without seals is never overdue.
    """
    since = _last_verified(now) or _first_sealed()
    return since if since and since < _second_last_due(now - GRACE_PERIOD) else None


def _last_verified(now: datetime) -> datetime | None:
    past = AuditVerification.objects.filter(finished_at__lt=now + MAX_AHEAD)
    return past.values_list("finished_at", flat=True).first()


def _first_sealed() -> datetime | None:
    return AuditSeal.objects.order_by("number").values_list("sealed_at", flat=True).first()


def _second_last_due(now: datetime) -> datetime:
    """Return when the run before the latest run was due."""
    times = croniter(settings.AUDIT_VERIFY_CRON, now)
    times.get_prev(datetime)
    due: datetime = times.get_prev(datetime)
    return due
