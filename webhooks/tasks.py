"""Periodic jobs. Other jobs are declared in the module that contains their code."""

import logging

from django.conf import settings
from procrastinate.contrib.django import app
from procrastinate.jobs import Status

from webhooks.doctor import jobs as doctor_jobs  # noqa: F401  # registers the job that runs checks
from webhooks.inbox import secret_counts
from webhooks.inbox import service as inbox  # noqa: F401  # registers the job for retries
from webhooks.inbox.retry_policy import MAX_JOB_RUNS
from webhooks.monitoring import alerts, hourly_counts
from webhooks.payloads import retention
from webhooks.replay import bulk as replays

log = logging.getLogger(__name__)


@app.periodic(cron=settings.RECOVERY_CRON)
@app.task(queue="upkeep", queueing_lock="recover_jobs_of_lost_workers")
async def recover_jobs_of_lost_workers(timestamp: int) -> None:
    """Requeue jobs whose worker no longer sends heartbeats, every five seconds."""
    manager = app.job_manager
    timeout_s = settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"]
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=timeout_s):
        if job.attempts < MAX_JOB_RUNS:
            await manager.retry_job(job)
        else:
            await manager.finish_job(job, status=Status.FAILED, delete_job=False)
            log.error("Job %s (%s) was abandoned: its worker was killed %d times.", job.id, job.task_name, job.attempts)


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="aggregate_counts")
def aggregate_counts(timestamp: int) -> None:
    """Recount the hours with new or changed events, once a minute."""
    hourly_counts.aggregate()


@app.periodic(cron=settings.ALERT_CHECK_CRON)
@app.task(queue="upkeep", queueing_lock="check_alerts")
def check_alerts(timestamp: int) -> None:
    """Evaluate every alert rule and send notifications."""
    alerts.check()


@app.periodic(cron="23 2 * * *")
@app.task(queue="upkeep", queueing_lock="empty_old_payloads")
def empty_old_payloads(timestamp: int) -> None:
    retention.empty_payloads()
    secret_counts.delete_old()


@app.periodic(cron="41 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_old_replay_details")
def delete_old_replay_details(timestamp: int) -> None:
    replays.delete_expired_details()
