"""Thousands of queued emails do not delay the retries of events and the jobs that keep the site working."""

import asyncio

import pytest
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params

from accounts.notifications.send import send_notification
from audit.tasks import seal_audit_log
from webhooks.inbox.service import retry_event
from webhooks.tasks import check_alerts, recover_jobs_of_lost_workers

pytestmark = pytest.mark.django_db(transaction=True)


async def next_tasks(number: int) -> list[str]:
    """Return the names of the jobs that a worker starts next."""
    with app.replace_connector(PsycopgConnector(kwargs=connector_params())):
        async with app.open_async():
            worker = await app.job_manager.register_worker()
            jobs = [await app.job_manager.fetch_job(queues=None, worker_id=worker) for _ in range(number)]
    return [job.task_name.rpartition(".")[2] for job in jobs if job]


def test_jobs_that_keep_the_site_working_run_first() -> None:
    for number in range(3):
        send_notification.defer(notification_id=number)
    retry_event.defer(event_id=1)
    for task in (seal_audit_log, check_alerts, recover_jobs_of_lost_workers):
        app.configure_task(task.name).defer(timestamp=0)

    assert asyncio.run(next_tasks(5)) == [
        "seal_audit_log",
        "check_alerts",
        "recover_jobs_of_lost_workers",
        "retry_event",
        "send_notification",
    ]
