"""Rules about this site's own worker, jobs, disk and audit log."""

import math
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.models import AuditVerification
from audit.sealing.schedule import verification_overdue_since
from webhooks.monitoring.health import HOUR, Health
from webhooks.monitoring.signals import Signal, broken, degraded, unknown, well

#: Hourly counts are updated every minute. Older counts are out of date.
COUNTS_STALE_AFTER = timedelta(minutes=5)
#: Minimum free space on the disk with uploaded images, in bytes and as a fraction. It is low only if it is below both.
LOW_SPACE, FULL_SPACE = (20 * 1024**3, 0.1), (1024**3, 0.05)
#: Severity of missed verifications. It is low, so that a changed row is worse and causes another notification.
UNVERIFIED_SEVERITY = 0.1


def worker_gone(health: Health) -> Signal:
    """Check whether a worker is running. If no worker is running, the web processes evaluate this rule."""
    if health.heartbeats:
        running = len(health.heartbeats)
        return well(ngettext("%d worker is running.", "%d workers are running.", running) % running)
    return broken(_("No queue worker is running. Overdue jobs: %d.") % health.overdue_jobs, 1)


def jobs(health: Health) -> Signal:
    """Check whether jobs fail permanently, and whether running workers keep up."""
    if health.failed_jobs:
        text = ngettext(
            "%d background job failed and will not be retried.",
            "%d background jobs failed and will not be retried.",
            health.failed_jobs,
        )
        return broken(text % health.failed_jobs, health.failed_jobs)
    if health.heartbeats and counts_are_stale(health):
        return broken(
            _("Event counts are out of date, because the job that updates them is not running."),
            1,
            title=_("Event counts are out of date"),
        )
    if health.heartbeats and health.overdue_jobs:
        text = ngettext("%d background job is overdue.", "%d background jobs are overdue.", health.overdue_jobs)
        return degraded(_("Jobs are overdue"), text % health.overdue_jobs)
    return well(_("No background job has failed."))


def disk_space(health: Health) -> Signal:
    """Check the disk with uploaded images."""
    if health.media_free is None:
        return unknown(_("The folder of uploaded images does not exist"), _("MEDIA_ROOT does not exist on this host."))
    free, total = health.media_free
    text = _("The disk with uploaded images has %(free).1f GiB left, %(percent)d%% of its size.")
    summary = text % {"free": free / 1024**3, "percent": math.floor(100 * free / total)}
    if _is_below(free, total, FULL_SPACE):
        return broken(summary, 1 - free / total, {"free_bytes": free})
    return degraded(_("Disk space is running low"), summary) if _is_below(free, total, LOW_SPACE) else well(summary)


def audit_chain(health: Health) -> Signal:
    """Check the result of the latest audit log verification, and whether verifications still run."""
    latest = AuditVerification.objects.first()
    if latest and latest.problems:
        facts = {"row": latest.first_bad_row, "seal": latest.first_bad_seal}
        return broken(latest.problems[0][:500], len(latest.problems), facts)
    since = verification_overdue_since(health.at)
    if since is None:
        return _verified(latest) if latest else unknown(_("The audit log has never been verified"))
    text = _("The audit log has not been verified for %d hours. Two scheduled verifications were missed.")
    return broken(text % ((health.at - since) // HOUR), UNVERIFIED_SEVERITY)


def _verified(latest: AuditVerification) -> Signal:
    numbers = {"rows": latest.row_count, "at": f"{latest.finished_at:%d %b %H:%M}"}
    return well(_("%(rows)d rows of the audit log were verified at %(at)s UTC.") % numbers)


def counts_are_stale(health: Health) -> bool:
    """Return whether events exist that have not been aggregated recently."""
    if health.aggregated_at is None:
        return health.last_received is not None
    return health.at - health.aggregated_at > COUNTS_STALE_AFTER


def _is_below(free: int, total: int, limit: tuple[int, float]) -> bool:
    return free < limit[0] and free < limit[1] * total
