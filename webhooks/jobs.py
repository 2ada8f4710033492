"""Retry and discard background jobs that failed permanently."""

from collections.abc import Iterable

from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from audit import log
from audit.log import Actor
from audit.models import AuditLog


@transaction.atomic
def retry(ids: Iterable[int], actor: Actor) -> int:
    """Run failed jobs again as soon as a worker is free. Other jobs are ignored. Return the number of retried jobs."""
    jobs = _lock_failed(ids)
    for job in jobs:
        queue.job_manager.retry_job_by_id(job.pk, retry_at=timezone.now())
        log.record(AuditLog.Action.JOB_RETRIED, actor=actor, target=job, task=job.task_name)
    return len(jobs)


@transaction.atomic
def discard(ids: Iterable[int], actor: Actor) -> int:
    """Delete failed jobs without running them again. Other jobs are ignored. Return the number of deleted jobs."""
    jobs = _lock_failed(ids)
    for job in jobs:
        log.record(AuditLog.Action.JOB_DISCARDED, actor=actor, target=job, task=job.task_name)
    with connection.cursor() as cursor:
        # Procrastinate's models are read-only.
        cursor.execute("DELETE FROM procrastinate_jobs WHERE id = ANY(%s)", [[job.pk for job in jobs]])
    return len(jobs)


def _lock_failed(ids: Iterable[int]) -> list[ProcrastinateJob]:
    failed = ProcrastinateJob.objects.filter(pk__in=list(ids), status="failed")
    return list(failed.select_for_update(of=("self",)).order_by("pk"))
