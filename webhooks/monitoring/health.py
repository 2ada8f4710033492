"""Health measurements: the current numbers that the signals, the dashboard and the metrics are derived from."""

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker

from accounts.clerk import rate_limiter
from accounts.models import ClerkRateLimit, IdentityConflict, MetadataPush, Reconciliation
from webhooks.inbox.handlers import TEST_TYPE
from webhooks.inbox.service import retry_event
from webhooks.models import AggregationProgress, CheckResult, WebhookEvent
from webhooks.monitoring import hourly_counts, rejections, worker_starts
from webhooks.monitoring.hourly_counts import TypeCount
from webhooks.monitoring.notifications import failures
from webhooks.monitoring.rejections import Rejections
from webhooks.monitoring.worker_starts import WorkerStarts

log = logging.getLogger(__name__)

#: Maximum count. Larger numbers do not have to be exact.
MAX_COUNT = 1000
#: A worker without a heartbeat for this time is not running. Workers send a heartbeat every three seconds.
WORKER_GONE_AFTER = timedelta(seconds=30)
HOUR = timedelta(hours=1)
#: A job with this many failures needs attention, even if it will be retried.
MIN_JOB_FAILURES = 3
#: This many failures of one type without a later success mean that its handler is broken, even on a quiet site.
MIN_TYPE_FAILURES = 2
#: Number of the newest failed events whose types are checked.
MAX_CHECKED = 200
#: Number of recent reconciliations whose repairs are compared, and the run before them.
RECENT_RUNS = 4


class NotMeasuredError(OperationalError):
    """The database did not answer in time, so a measurement is missing."""


@dataclass(frozen=True, slots=True)
class Health:
    """All measurements at one point in time. Counts stop at MAX_COUNT.

    A missing measurement raises NotMeasuredError when it is read.

    Attributes:
        failed: events that will be retried automatically.
        dead: events that need manual action.
        oldest_unsettled: when the oldest failed or dead event was received.
        last_received: when the newest event was received, excluding test deliveries.
        recent: counts of the events received in the current and previous hour.
        failing_types: types with at least two failed events, regardless of their age, and no success since.
        rejections: rejected requests, by cause.
        pending_pushes: users whose latest changes have not reached Clerk yet.
        refused_pushes: abandoned pushes that Clerk rejects.
        stopped_pushes: pushes that were abandoned because Clerk rejects them or another system changes the same keys.
        oldest_push: when the oldest pending push was requested.
        reconciliations: the latest finished reconciliations that also corrected differences, newest first.
        last_full: the latest of these that compared all users.
        open_conflicts: identity conflicts waiting for an admin's decision.
        oldest_conflict: when the oldest of them was found.
        heartbeats: the last heartbeat of each running worker.
        worker_starts: the worker starts in the last ten minutes.
        overdue_jobs: jobs that should have started at least a minute ago.
        oldest_overdue: when the oldest overdue job should have started.
        repeated_failures: the number of retried jobs that have failed several times, by task, for tasks without a
            later success. Jobs whose next attempt is running are included.
        failed_tasks: the number of failed jobs that will not be retried, by task, except periodic jobs that have
            succeeded since.
        clerk: the state of the connection to each of Clerk's APIs that has been used.
        aggregated_at: when events were last aggregated into hourly counts.
        failing_channels: configured channels that have failed at least three times since they accepted a message.
        checks: the latest results of the checks in webhooks.doctor, by name.
        media_free: free and total bytes of the disk with uploaded images, or None if this host has no such folder.
    """

    at: datetime
    failed: int
    dead: int
    oldest_unsettled: datetime | None
    last_received: datetime | None
    recent: list[TypeCount]
    failing_types: set[str]
    rejections: dict[str, Rejections]
    pending_pushes: int
    refused_pushes: int
    stopped_pushes: int
    oldest_push: datetime | None
    reconciliations: list[Reconciliation]
    last_full: Reconciliation | None
    open_conflicts: int
    oldest_conflict: datetime | None
    heartbeats: list[datetime]
    worker_starts: WorkerStarts
    oldest_overdue: datetime | None
    repeated_failures: dict[str, int]
    overdue_jobs: int
    failed_tasks: dict[str, int]
    clerk: dict[str, ClerkRateLimit]
    aggregated_at: datetime | None
    failing_channels: list[str]
    checks: dict[str, CheckResult]
    media_free: tuple[int, int] | None

    if not TYPE_CHECKING:  # otherwise mypy would accept any attribute name

        def __getattr__(self, name: str) -> Any:
            raise NotMeasuredError(f"{name} was not measured, because the database did not answer in time.")

    def has(self, name: str) -> bool:
        """Return whether a measurement is available."""
        try:
            object.__getattribute__(self, name)
        except AttributeError:
            return False
        return True

    @property
    def unread(self) -> frozenset[str]:
        """The names of the missing measurements."""
        return frozenset(field.name for field in fields(self) if not self.has(field.name))

    @property
    def last_reconciliation(self) -> Reconciliation | None:
        return next(iter(self.reconciliations), None)

    @property
    def uncorrected(self) -> tuple[Reconciliation, int] | None:
        """The report with users that still differ from Clerk, and their number.

        The next run of recent changes does not read users again that a full run could not read or did not delete, so
        these users count until the next full run.
        """
        last = self.last_reconciliation
        if last and last.still_differ:
            return last, last.still_differ
        full = self.last_full
        return (full, full.unread_or_kept) if full and full.unread_or_kept else None

    @property
    def failed_jobs(self) -> int:
        return sum(self.failed_tasks.values())

    @property
    def clerk_suspended_until(self) -> datetime | None:
        """When requests to Clerk resume, if they are paused because Clerk does not respond."""
        until = self.clerk[rate_limiter.INSTANCE].suspended_until if rate_limiter.INSTANCE in self.clerk else None
        return until if until and until > self.at else None


def measure(isolated: Callable[[], AbstractContextManager[object]] = nullcontext) -> Health:
    """Take every measurement once. Each query uses a narrow index or a small table. If a query times out, for example
    because a table is locked, only the measurements of its group are missing. Rules that use them are unknown, and the
    other rules are still evaluated.

    Args:
        isolated: returns a context for each group, such as a transaction with short timeouts.
    """
    now = timezone.now()
    values = {"at": now, "media_free": _media_free(), **_read_all(now, isolated)}
    health = object.__new__(Health)
    for name, value in values.items():
        object.__setattr__(health, name, value)
    return health


def _read_all(now: datetime, isolated: Callable[[], AbstractContextManager[object]]) -> dict[str, Any]:
    """Read all groups in one transaction. If a query fails, read each group in its own transaction.

    One transaction needs less than half of the round trips, which matters if the database is slow to answer.
    """
    if isolated is not nullcontext:
        with suppress(OperationalError), isolated():
            return {name: value for read in GROUPS for name, value in read(now).items()}
    return {name: value for read in GROUPS for name, value in _read_group(read, now, isolated).items()}


def _read_group(
    read: Callable[[datetime], dict[str, Any]],
    now: datetime,
    isolated: Callable[[], AbstractContextManager[object]],
) -> dict[str, Any]:
    try:
        with isolated():
            return read(now)
    except OperationalError as error:
        if connection.in_atomic_block and isolated is nullcontext:
            raise  # The transaction is aborted and cannot continue.
        log.warning("Some measurements are missing, because the database did not answer in time: %s", error)
        return {}


def _events(now: datetime) -> dict[str, Any]:
    events = WebhookEvent.objects
    failed = _count(events.filter(state=WebhookEvent.State.FAILED))
    return {
        "failed": failed,
        "failing_types": _failing_types() if failed else set(),
        "dead": _count(events.filter(state=WebhookEvent.State.DEAD)),
        "oldest_unsettled": events.unsettled().aggregate(oldest=Min("received_at"))["oldest"],
        "last_received": events.exclude(event_type=TEST_TYPE).aggregate(newest=Max("received_at"))["newest"],
        "recent": hourly_counts.totals(now - HOUR),
        "aggregated_at": AggregationProgress.objects.values_list("aggregated_at", flat=True).first(),
    }


def _failing_types() -> set[str]:
    """Return the types without a success since their second newest failed event. Reads a few rows per type."""
    failed = WebhookEvent.objects.filter(state=WebhookEvent.State.FAILED).order_by("-received_at")
    times: dict[str, list[datetime]] = {}
    for event_type, received_at in failed.values_list("event_type", "received_at")[:MAX_CHECKED]:
        times.setdefault(event_type, []).append(received_at)
    since = {name: found[MIN_TYPE_FAILURES - 1] for name, found in times.items() if len(found) >= MIN_TYPE_FAILURES}
    settled = (
        WebhookEvent.objects.filter(state__in=WebhookEvent.SETTLED).order_by().values_list("event_type", flat=True)
    )
    first = [settled.filter(event_type=name, received_at__gte=at)[:1] for name, at in since.items()]
    return since.keys() - set(first[0].union(*first[1:], all=True)) if first else set()


def _pushes(now: datetime) -> dict[str, Any]:
    pushes = MetadataPush.objects
    pending = pushes.filter(state=MetadataPush.State.PENDING)
    stopped = pushes.filter(state__in=[MetadataPush.State.REFUSED, MetadataPush.State.STOPPED])
    states = list(stopped.values_list("state", flat=True)[:MAX_COUNT])
    return {
        "pending_pushes": _count(pending),
        "refused_pushes": states.count(MetadataPush.State.REFUSED),
        "stopped_pushes": len(states),
        "oldest_push": pending.aggregate(oldest=Min("requested_at"))["oldest"],
    }


def _reconciliations(now: datetime) -> dict[str, Any]:
    finished = Reconciliation.objects.repairing().filter(state=Reconciliation.State.FINISHED)
    full = finished.filter(kind=Reconciliation.Kind.FULL)
    runs = finished.filter(Q(pk__in=finished.values("pk")[:RECENT_RUNS]) | Q(pk__in=full.values("pk")[:1]))
    last_full = next((run for run in runs if run.kind == Reconciliation.Kind.FULL), None)
    return {"reconciliations": list(runs)[:RECENT_RUNS], "last_full": last_full}


def _conflicts(now: datetime) -> dict[str, Any]:
    opened = list(
        IdentityConflict.objects.waiting().order_by("opened_at").values_list("opened_at", flat=True)[:MAX_COUNT]
    )
    return {"open_conflicts": len(opened), "oldest_conflict": min(opened, default=None)}


def _workers(now: datetime) -> dict[str, Any]:
    return {
        "heartbeats": list(_running_workers(now).values_list("last_heartbeat", flat=True)),
        "worker_starts": worker_starts.recent(now),
    }


def _jobs(now: datetime) -> dict[str, Any]:
    overdue = list(_overdue_jobs(now).order_by().values_list("scheduled_at", flat=True)[:MAX_COUNT])
    return {
        "overdue_jobs": len(overdue),
        "oldest_overdue": min(filter(None, overdue), default=None),
        "repeated_failures": _repeated_failures(),
        "failed_tasks": _by_task(failed_jobs()),
    }


def _clerk(now: datetime) -> dict[str, Any]:
    names = [rate_limiter.INSTANCE, rate_limiter.FRONTEND]
    return {"clerk": {row.name: row for row in ClerkRateLimit.objects.filter(name__in=names)}}


def _own_records(now: datetime) -> dict[str, Any]:
    return {
        "failing_channels": failures.failing_channels(),
        "checks": CheckResult.objects.in_bulk(),
        "rejections": rejections.read(now),
    }


GROUPS = (_events, _pushes, _reconciliations, _conflicts, _workers, _jobs, _clerk, _own_records)


def has_worker() -> bool:
    return _running_workers(timezone.now()).exists()


def _running_workers(now: datetime) -> QuerySet[ProcrastinateWorker]:
    return ProcrastinateWorker.objects.filter(last_heartbeat__gt=now - WORKER_GONE_AFTER)


def _overdue_jobs(now: datetime) -> QuerySet[ProcrastinateJob]:
    """Return jobs that should have started at least a minute ago.

    Jobs without a scheduled time should start immediately, so the time of their `deferred` event is used.
    """
    due = now - timedelta(minutes=1)
    deferred = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type="deferred", at__lte=due)
    immediate = Q(scheduled_at=None) & Exists(deferred)
    return ProcrastinateJob.objects.filter(Q(scheduled_at__lte=due) | immediate, status="todo")


def failed_jobs() -> QuerySet[ProcrastinateJob]:
    """Return failed jobs, except periodic jobs with a later successful run, such as a reconciliation after an outage."""
    periodic = {task for task, _id in queue.periodic_registry.periodic_tasks}
    jobs: QuerySet[ProcrastinateJob] = ProcrastinateJob.objects.filter(status="failed")
    return jobs.alias(last_success=_last_success()).exclude(task_name__in=periodic, last_success__gt=F("pk"))


def _last_success() -> Coalesce:
    """Return the ID of the last successful job of the same task, or 0.

    `Exists` would be simpler. But if a task has many successful jobs, PostgreSQL expects to find one soon in the table and
    reads most of it for each failed job. The sorted query uses the index.
    """
    successful = ProcrastinateJob.objects.filter(task_name=OuterRef("task_name"), status="succeeded")
    return Coalesce(Subquery(successful.order_by("-pk").values("pk")[:1]), 0)


def _repeated_failures() -> dict[str, int]:
    """Count retrying jobs by task. Event retries are excluded, because they have their own rules.

    A job keeps its number of failures while its next attempt is running, so the count does not depend on the moment.
    """
    retrying = ProcrastinateJob.objects.filter(status__in=["todo", "doing"], attempts__gte=MIN_JOB_FAILURES)
    retrying = retrying.alias(last_success=_last_success()).exclude(last_success__gt=F("pk"))
    return _by_task(retrying.exclude(task_name=retry_event.name))


def _by_task(jobs: QuerySet[ProcrastinateJob]) -> dict[str, int]:
    return dict(Counter(jobs.order_by().values_list("task_name", flat=True)[:MAX_COUNT]))


def _media_free() -> tuple[int, int] | None:
    try:
        usage = shutil.disk_usage(settings.MEDIA_ROOT)
    except OSError:
        return None
    return usage.free, usage.total


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MAX_COUNT].count()
