"""Create rows of Procrastinate's tables, which its models cannot create."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

INSERT = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, args, scheduled_at, queueing_lock)
VALUES ('default', %s, %s, %s, %s, %s, %s) RETURNING id
"""


def create_job(
    status: str = "todo",
    *,
    task: str = "profiles.contact.emails.mail_contact_message",
    attempts: int = 0,
    args: dict[str, Any] | None = None,
    scheduled_at: datetime | None = None,
    queueing_lock: str | None = None,
    queued: timedelta = timedelta(),
) -> int:
    """Insert a job and return its ID.

    Args:
        queued: the time since the job was queued.
    """
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [task, status, attempts, json.dumps(args or {}), scheduled_at, queueing_lock])
        [pk] = cursor.fetchone()
        cursor.execute("DELETE FROM procrastinate_events WHERE job_id = %s", [pk])
    add_event(pk, "deferred", timezone.now() - queued)
    return int(pk)


def add_event(job_id: int, kind: str, at: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_events (job_id, type, at) VALUES (%s, %s, %s)", [job_id, kind, at])
