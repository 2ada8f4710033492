"""Health measurements: the current numbers that the signals, the dashboard and the metrics are derived from."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connection
from django.utils import timezone

from accounts.clerk import rate_limiter
from accounts.models import ClerkRateLimit, Reconciliation
from webhooks.models import CheckResult
from webhooks.monitoring.hourly_counts import TypeCount
from webhooks.monitoring.measurements import clerk, events, jobs, site
from webhooks.monitoring.rejections import Rejections
from webhooks.monitoring.worker_starts import WorkerStarts

log = logging.getLogger(__name__)

GROUPS = (
    events.read_events,
    clerk.read_pushes,
    clerk.read_reconciliations,
    clerk.read_conflicts,
    jobs.read_workers,
    jobs.read_jobs,
    clerk.read_apis,
    site.read_own_records,
)


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
        recent_lags: how long after the change in Clerk each of the newest events of the last hour arrived.
        recent: counts of the events received in the current and previous hour.
        failing_types: types with at least two failed events, regardless of their age, and no success since.
        broken_types: the same with at least five failed events.
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
        interrupted_tasks: the number of running jobs whose worker died, by task, if workers have started recently.
        overdue_jobs: jobs that should have started at least a minute ago.
        oldest_overdue: when the oldest overdue job should have started.
        stuck_tasks: the number of jobs that have been running for too long, by task.
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
    recent_lags: list[timedelta]
    recent: list[TypeCount]
    failing_types: set[str]
    broken_types: set[str]
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
    interrupted_tasks: dict[str, int]
    oldest_overdue: datetime | None
    stuck_tasks: dict[str, int]
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
    values = {"at": now, "media_free": site.media_free(), **_read_all(now, isolated)}
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
