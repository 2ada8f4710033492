"""Retry, discard and cancel background jobs."""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db import joined_writes
from webhooks.models import Job, JobFailure

Action = AuditLog.Action
#: Maximum number of jobs per request. Operators can repeat the action.
MAX_JOBS = 10_000
#: Up to this number, each job has its own audit row. Larger selections share one row.
MAX_AUDITED = 100
#: Only one job per queueing lock can be queued, so only the newest is retried.
RETRY = """
UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = now() WHERE id IN (
    SELECT DISTINCT ON (coalesce(job.queueing_lock, job.id::text)) job.id FROM procrastinate_jobs job
    WHERE job.id = ANY(%s) AND NOT EXISTS (
        SELECT FROM procrastinate_jobs waiting
        WHERE waiting.status = 'todo' AND waiting.queueing_lock = job.queueing_lock
    ) ORDER BY coalesce(job.queueing_lock, job.id::text), job.id DESC
) RETURNING id
"""
RETRY_NOW = "UPDATE procrastinate_jobs SET scheduled_at = now() WHERE id = ANY(%s) AND attempts > 0 RETURNING id"
DISCARD = "DELETE FROM procrastinate_jobs WHERE id = ANY(%s) RETURNING id"
CANCEL = "UPDATE procrastinate_jobs SET status = 'cancelled' WHERE id = ANY(%s) RETURNING id"


class _Change(NamedTuple):
    """A change to jobs that are in the Procrastinate state `status`."""

    status: str
    sql: str
    action: AuditLog.Action


class Done(NamedTuple):
    """The number of changed jobs, and of eligible jobs that could not be changed."""

    changed: int
    skipped: int


class Retried(NamedTuple):
    """The numbers of jobs in a selection by what a retry did with them.

    Attributes:
        failed: failed jobs that will run again.
        retrying: retrying jobs whose next attempt starts now.
        queued: failed jobs that were skipped, because their next run is already queued.
        busy: jobs that were skipped, because another process is changing them.
        others: jobs that were skipped, because they are neither failed nor retrying.
    """

    failed: int
    retrying: int
    queued: int
    busy: int
    others: int

    @property
    def changed(self) -> int:
        return self.failed + self.retrying


_RETRY = _Change("failed", RETRY, Action.JOB_RETRIED)
_RETRY_NOW = _Change("todo", RETRY_NOW, Action.JOB_RETRIED)
_DISCARD = _Change("failed", DISCARD, Action.JOB_DISCARDED)
_CANCEL = _Change("todo", CANCEL, Action.JOB_CANCELLED)


def retry(ids: Iterable[int], actor: Actor, *, description: str = "") -> Done:
    """Run failed jobs again as soon as a worker is free. Other jobs are ignored.

    A job is skipped if its next run is already queued.
    """
    ids = list(ids)
    try:
        return _apply(_RETRY, ids, actor, description)
    except IntegrityError:  # The next run of a job was queued concurrently. The second attempt skips this job.
        return _apply(_RETRY, ids, actor, description)


@transaction.atomic
def discard(ids: Iterable[int], actor: Actor, *, description: str = "") -> Done:
    """Delete failed jobs without running them again. Other jobs are ignored."""
    ids = list(ids)
    done = _apply(_DISCARD, ids, actor, description)
    JobFailure.objects.filter(job_id__in=ids).exclude(job_id__in=Job.objects.filter(pk__in=ids).values("pk")).delete()
    return done


def cancel(ids: Iterable[int], actor: Actor) -> Done:
    """Cancel jobs that have not started. Other jobs are ignored."""
    return _apply(_CANCEL, ids, actor)


def retry_now(ids: Iterable[int], actor: Actor) -> Done:
    """Start the next attempt of retrying jobs as soon as a worker is free. Other jobs are ignored."""
    return _apply(_RETRY_NOW, ids, actor)


def retry_all(ids: Iterable[int], actor: Actor, *, description: str = "") -> Retried:
    """Run failed jobs again, and start the next attempt of retrying jobs, as soon as a worker is free."""
    ids = list(ids)
    can_be_retried = Q(status=_RETRY.status) | Q(status=_RETRY_NOW.status, attempts__gt=0)
    number = Job.objects.filter(can_be_retried, pk__in=ids).count()
    # Jobs that run again are waiting, so retrying jobs must be changed first.
    retrying = _apply(_RETRY_NOW, ids, actor, description).changed
    failed, queued = retry(ids, actor, description=description)
    busy = max(number - retrying - failed - queued, 0)
    return Retried(failed, retrying, queued, busy, len(ids) - number)


def newest(jobs: QuerySet[Job]) -> list[int]:
    """Return the IDs of the newest jobs, at most MAX_JOBS."""
    return list(jobs.order_by("-pk").values_list("pk", flat=True)[:MAX_JOBS])


@transaction.atomic
def _apply(change: "_Change", ids: Iterable[int], actor: Actor, description: str = "") -> Done:
    found = Job.objects.filter(pk__in=list(ids), status=change.status).order_by("pk")
    jobs = {job.pk: job for job in found.select_for_update(of=("self",), skip_locked=True)}
    with connection.cursor() as cursor:
        cursor.execute(change.sql, [list(jobs)])
        changed = [pk for (pk,) in cursor.fetchall()]
    _audit(change.action, [jobs[pk] for pk in sorted(changed)], actor, description)
    return Done(len(changed), len(jobs) - len(changed))


def _audit(action: AuditLog.Action, jobs: list[Job], actor: Actor, description: str) -> None:
    if len(jobs) > MAX_AUDITED:
        last = jobs[-1].pk
        log.record(action, actor=actor, target=jobs[0], jobs=len(jobs), selection=description, last=last)
        return
    with joined_writes.joined():
        for job in jobs:
            log.record(action, actor=actor, target=job, task=job.task_name)
