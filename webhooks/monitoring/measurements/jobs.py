"""Measurements of workers and background jobs."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.utils import timezone
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker

from webhooks.inbox.service import retry_event
from webhooks.jobs import lists
from webhooks.models import Job
from webhooks.monitoring import worker_starts
from webhooks.monitoring.measurements.counting import MAX_COUNT

#: A worker without a heartbeat for this time is not running. Workers send a heartbeat every three seconds.
WORKER_GONE_AFTER = timedelta(seconds=30)
#: A worker without a heartbeat for this time has probably died, but counts as running until WORKER_GONE_AFTER. Running
#: workers send heartbeats every three seconds.
DEAD_AFTER = timedelta(seconds=10)
#: The longest jobs, such as comparing all users of a large site with Clerk, take a few hours.
STUCK_AFTER = timedelta(hours=6)
#: A job with this many failures needs attention, even if it will be retried.
MIN_JOB_FAILURES = 3


def read_workers(now: datetime) -> dict[str, Any]:
    starts = worker_starts.recent(now)
    return {
        "heartbeats": list(_running_workers(now).values_list("last_heartbeat", flat=True)),
        "worker_starts": starts,
        "interrupted_tasks": _by_task(_interrupted_jobs(now)) if starts.number else {},
    }


def read_jobs(now: datetime) -> dict[str, Any]:
    late = list(_overdue_jobs(now).union(_stuck_jobs(now), all=True))
    overdue = [since for status, _task, since in late if status == "todo"]
    return {
        "overdue_jobs": len(overdue),
        "oldest_overdue": min(filter(None, overdue), default=None),
        "stuck_tasks": dict(Counter(task for status, task, _since in late if status == "doing")),
        "repeated_failures": _repeated_failures(),
        "failed_tasks": _by_task(failed_jobs()),
    }


def has_worker() -> bool:
    return _running_workers(timezone.now()).exists()


def _running_workers(now: datetime) -> QuerySet[ProcrastinateWorker]:
    return ProcrastinateWorker.objects.filter(last_heartbeat__gt=now - WORKER_GONE_AFTER)


def _interrupted_jobs(now: datetime) -> QuerySet[ProcrastinateJob]:
    """Return jobs whose worker died while it ran them. They have not been queued again yet."""
    jobs: QuerySet[ProcrastinateJob] = ProcrastinateJob.objects.filter(status="doing")
    return jobs.filter(Q(worker=None) | Q(worker__last_heartbeat__lt=now - DEAD_AFTER))


def _overdue_jobs(now: datetime) -> QuerySet[Job, Any]:
    """Return the status, the task and the due time of jobs that should have started at least a minute ago."""
    return _late(lists.overdue(Job.objects.all(), now), Coalesce("scheduled_at", _event_time("deferred")))


def _stuck_jobs(now: datetime) -> QuerySet[Job, Any]:
    """Return the status, the task and the start of jobs that have been running for too long."""
    running = Job.objects.filter(status="doing").alias(started_at=_event_time("started"))
    return _late(running.filter(started_at__lt=now - STUCK_AFTER), F("started_at"))


def _late(jobs: QuerySet[Job], since: Combinable) -> QuerySet[Job, Any]:
    return jobs.order_by().annotate(since=since).values_list("status", "task_name", "since")[:MAX_COUNT]


def _event_time(kind: str) -> Subquery:
    """Return the time of the latest event of a kind, as a subquery of a query for jobs."""
    events = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type=kind)
    return Subquery(events.order_by("-pk").values("at")[:1])


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
