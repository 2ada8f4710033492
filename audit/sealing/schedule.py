"""Whether the log is compared with its seals as often as it should be. Whoever stops that could change it unnoticed."""

from datetime import datetime, timedelta

from croniter import croniter  # with which Procrastinate reads the same setting
from django.conf import settings

from audit.models import AuditSeal, AuditVerification

#: How long a comparison may take, and wait for a worker.
GRACE = timedelta(hours=2)


def not_compared_since(now: datetime) -> datetime | None:
    """Return when the log was last compared, or first sealed if it never was; None if that is not too long ago.

    One comparison may be missed, as when a worker is restarted at that minute. What was never sealed is not judged.
    """
    since = _last_compared() or _first_sealed()
    return since if since and since < _last_but_one(now - GRACE) else None


def _last_compared() -> datetime | None:
    return AuditVerification.objects.values_list("finished_at", flat=True).first()


def _first_sealed() -> datetime | None:
    return AuditSeal.objects.order_by("number").values_list("sealed_at", flat=True).first()


def _last_but_one(now: datetime) -> datetime:
    """Return when the comparison before the latest one was due."""
    times = croniter(settings.AUDIT_VERIFY_CRON, now)
    times.get_prev(datetime)
    due: datetime = times.get_prev(datetime)
    return due
