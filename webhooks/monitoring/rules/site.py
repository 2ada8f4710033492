"""Rules about this site's own worker, jobs, disk and audit log."""

import math
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.models import AuditVerification
from audit.sealing.schedule import verification_overdue_since
from core.jobs import title_of
from core.times import HOUR, minutes
from webhooks.monitoring.health import Health
from webhooks.monitoring.measurements.jobs import DEAD_AFTER, STUCK_AFTER
from webhooks.monitoring.measurements.site import has_object_store
from webhooks.monitoring.signals import WELL, Signal, broken, combine, degraded, unknown, well

#: Hourly counts are updated every minute. Older counts are out of date.
COUNTS_STALE_AFTER = timedelta(minutes=5)
#: Minimum free space on the disk with uploaded images, in bytes and as a fraction. It is low only if it is below both.
LOW_SPACE, FULL_SPACE = (20 * 1024**3, 0.1), (1024**3, 0.05)
#: Workers keep restarting if they started this often within ten minutes, and this often for each running worker.
MIN_STARTS, STARTS_PER_WORKER = 4, 2
#: Workers that have not restarted for this time, and for this many times the last gap between starts, are stable again.
STABLE_AFTER, STABLE_GAPS = timedelta(seconds=40), 2.5
#: The rules are evaluated every 15 seconds, or every few minutes if the database is slow to answer.
UNCHECKED_AFTER = timedelta(minutes=5)
#: Jobs that should have started this long ago are a problem, although a worker is running.
MAX_OVERDUE = timedelta(minutes=15)


def worker_gone(health: Health) -> Signal:
    """Check whether a worker is running and stays alive. If not, the web processes evaluate this rule."""
    running = len(health.heartbeats)
    if running and _keeps_restarting(health):
        return _restarts(health)
    if running and _is_unchecked(health):
        age = minutes(health.at - (health.worker_starts.checked_at or health.at))
        text = ngettext(
            "The alert rules have not been evaluated for %d minute, although a worker is running. "
            "The database may be unable to store data.",
            "The alert rules have not been evaluated for %d minutes, although a worker is running. "
            "The database may be unable to store data.",
            age,
        )
        return broken(text % age, age, title=_("Alerts are not checked"), causes=["not_checked"])
    if running:
        return well(ngettext("%d worker is running.", "%d workers are running.", running) % running)
    return broken(_("No queue worker is running. Overdue jobs: %d.") % health.overdue_jobs, 1, causes=["no_worker"])


def _restarts(health: Health) -> Signal:
    """Describe workers that keep restarting, and what the last ones were doing when they died."""
    starts, last_at = health.worker_starts.number, health.worker_starts.last_at
    text = ngettext(
        "Queue workers have started %(starts)d time within ten minutes, last at %(last)s UTC. They probably crash.",
        "Queue workers have started %(starts)d times within ten minutes, last at %(last)s UTC. They probably crash.",
        starts,
    ) % {"starts": starts, "last": f"{last_at:%H:%M:%S}"}
    if health.interrupted_tasks:
        reason = _("Jobs that were running when a worker died: %s.") % _names(health.interrupted_tasks)
    else:
        reason = _("The end of the worker’s log contains the reason.")
    return broken(f"{text} {reason}", starts, title=_("Workers keep restarting"), causes=["restarts"])


def _is_unchecked(health: Health) -> bool:
    """Return whether the result of an evaluation could not be stored for a while, for example because the disk is full.

    The evaluation itself stores its time first, so only other readers of the signals find an old time.
    """
    starts = health.worker_starts
    last_at = max(filter(None, [starts.checked_at, starts.unchanged_since]))
    return starts.checked_at is not None and health.at - last_at > UNCHECKED_AFTER


def _keeps_restarting(health: Health) -> bool:
    """Return whether workers start far more often than during a deployment, and will probably start again soon."""
    starts = health.worker_starts
    alive = sum(health.at - beat < DEAD_AFTER for beat in health.heartbeats)
    is_many = starts.number >= MIN_STARTS and starts.number > STARTS_PER_WORKER * alive
    stable_after = max(STABLE_AFTER, STABLE_GAPS * starts.last_gap)
    return is_many and starts.last_at is not None and health.at - starts.last_at < stable_after


def jobs(health: Health) -> Signal:
    """Check whether jobs fail permanently or repeatedly or hang, and whether running workers keep up."""
    return combine(health, _failed_jobs, _outdated_counts, _repeated_failures, _stuck_jobs, _overdue_jobs)


def _failed_jobs(health: Health) -> Signal:
    if not health.failed_jobs:
        return well(_("No background job has failed."))
    text = ngettext(
        "%(number)d background job failed and will not be retried: %(tasks)s.",
        "%(number)d background jobs failed and will not be retried: %(tasks)s.",
        health.failed_jobs,
    )
    numbers = {"number": health.failed_jobs, "tasks": _names(health.failed_tasks)}
    facts = {"failed_jobs": health.failed_jobs}
    return broken(text % numbers, health.failed_jobs, facts, causes=sorted(health.failed_tasks))


def _outdated_counts(health: Health) -> Signal:
    if not (health.heartbeats and counts_are_stale(health)):
        return WELL
    text = _("Event counts are out of date, because the job that updates them is not running.")
    facts = {"counted_until": health.aggregated_at.isoformat(timespec="seconds") if health.aggregated_at else "never"}
    return broken(text, 1, facts, title=_("Event counts are out of date"), causes=["counts"])


def _repeated_failures(health: Health) -> Signal:
    number = sum(health.repeated_failures.values())
    if not number:
        return WELL
    text = ngettext(
        "%(number)d job has failed at least three times and is being retried: %(tasks)s.",
        "%(number)d jobs have failed at least three times and are being retried: %(tasks)s.",
        number,
    )
    numbers = {"number": number, "tasks": _names(health.repeated_failures)}
    return broken(text % numbers, number, {"retrying_jobs": number}, causes=sorted(health.repeated_failures))


def _stuck_jobs(health: Health) -> Signal:
    number = sum(health.stuck_tasks.values())
    if not number:
        return WELL
    text = ngettext(
        "%(number)d job has been running for more than %(hours)d hours: %(tasks)s.",
        "%(number)d jobs have been running for more than %(hours)d hours: %(tasks)s.",
        number,
    )
    numbers = {"number": number, "hours": STUCK_AFTER // HOUR, "tasks": _names(health.stuck_tasks)}
    return broken(text % numbers, number, {"stuck_jobs": number}, causes=["stuck"])


def _overdue_jobs(health: Health) -> Signal:
    if not (health.heartbeats and health.overdue_jobs):
        return WELL
    age = health.at - (health.oldest_overdue or health.at)
    if age <= MAX_OVERDUE:
        text = ngettext("%d background job is overdue.", "%d background jobs are overdue.", health.overdue_jobs)
        return degraded(_("Jobs are overdue"), text % health.overdue_jobs)
    text = ngettext(
        "%(jobs)d job is overdue by %(minutes)d minutes, although a worker is running.",
        "%(jobs)d jobs are overdue, the oldest by %(minutes)d minutes, although a worker is running.",
        health.overdue_jobs,
    )
    numbers = {"jobs": health.overdue_jobs, "minutes": minutes(age)}
    return broken(text % numbers, minutes(age), {"overdue_jobs": health.overdue_jobs}, causes=["overdue"])


def _names(tasks: dict[str, int]) -> str:
    return ", ".join(sorted(str(title_of(name)) for name in tasks))


def disk_space(health: Health) -> Signal:
    """Check the disk with uploaded images."""
    if has_object_store():
        return well(_("Uploaded images are in an object store, so they need no disk."))
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
    return combine(health, _changed_log, _missing_verification)


def _changed_log(health: Health) -> Signal:
    latest = AuditVerification.objects.first()
    if latest is None:
        return unknown(_("The audit log has never been verified"))
    if not latest.problems:
        return _verified(latest)
    facts = {"row": latest.first_bad_row, "seal": latest.first_bad_seal}
    first, more = latest.problems[0], len(latest.problems) - 1
    text = ngettext("%d more problem was found.", "%d more problems were found.", more)
    summary = f"{first} {text % more}" if more else first
    return broken(summary, len(latest.problems), facts, causes=["changed"])


def _missing_verification(health: Health) -> Signal:
    since = verification_overdue_since(health.at)
    if since is None:
        return WELL
    hours = (health.at - since) // HOUR
    text = ngettext(
        "The audit log has not been verified for %d hour. Two scheduled verifications were missed.",
        "The audit log has not been verified for %d hours. Two scheduled verifications were missed.",
        hours,
    )
    return broken(text % hours, 1, causes=["not_verified"])


def _verified(latest: AuditVerification) -> Signal:
    numbers = {"rows": latest.row_count, "at": f"{latest.finished_at:%d %b %H:%M}"}
    text = ngettext(
        "%(rows)d row of the audit log was verified at %(at)s UTC.",
        "%(rows)d rows of the audit log were verified at %(at)s UTC.",
        latest.row_count,
    )
    return well(text % numbers)


def counts_are_stale(health: Health) -> bool:
    """Return whether the job that aggregates events every minute has not run, although a worker has been running."""
    last_at = max(filter(None, [health.aggregated_at, health.worker_starts.unchanged_since]))
    return health.at - last_at > COUNTS_STALE_AFTER


def _is_below(free: int, total: int, limit: tuple[int, float]) -> bool:
    return free < limit[0] and free < limit[1] * total
