"""Delete finished and cancelled jobs after a configurable time.

Failed jobs are kept until an operator retries or discards them.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from webhooks.models import JobFailure

BATCH_SIZE = 1000
#: Only jobs queued before the cutoff can have ended before it, so their IDs limit the search.
DELETE_ENDED = """
DELETE FROM procrastinate_jobs WHERE id IN (
    SELECT job.id FROM procrastinate_jobs job
    WHERE job.status IN ('succeeded', 'cancelled', 'aborted') AND job.id <= (
        SELECT job_id FROM procrastinate_events WHERE type = 'deferred' AND at < %(cutoff)s ORDER BY at DESC LIMIT 1
    ) AND NOT EXISTS (SELECT FROM procrastinate_events event WHERE event.job_id = job.id AND event.at >= %(cutoff)s)
    ORDER BY job.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) RETURNING id
"""
DELETE_EARLIER_RUNS = """
DELETE FROM procrastinate_jobs WHERE task_name = %(task)s AND status = 'succeeded' AND id < (
    SELECT max(id) FROM procrastinate_jobs WHERE task_name = %(task)s AND status = 'succeeded'
)
"""


def delete_ended() -> int:
    """Delete jobs that ended more than JOB_RETENTION_DAYS ago, and their failures. Return the number of jobs."""
    cutoff, deleted = timezone.now() - timedelta(days=settings.JOB_RETENTION_DAYS), 0
    while number := _delete_batch(cutoff):
        deleted += number
    return deleted


def delete_earlier_runs(task_name: str) -> None:
    """Delete all successful runs of a frequent job except the last one."""
    with connection.cursor() as cursor:
        cursor.execute(DELETE_EARLIER_RUNS, {"task": task_name})


@transaction.atomic
def _delete_batch(cutoff: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(DELETE_ENDED, {"cutoff": cutoff, "limit": BATCH_SIZE})
        ids = [pk for (pk,) in cursor.fetchall()]
    JobFailure.objects.filter(job_id__in=ids).delete()
    return len(ids)
