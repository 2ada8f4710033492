"""Periodic jobs. Other jobs are declared in the module that contains their code."""

import logging

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.jobs import Status

from core.english import counted
from core.jobs import URGENT, describe
from webhooks.doctor import jobs as doctor_jobs  # noqa: F401  # registers the job that runs checks
from webhooks.inbox import secret_counts
from webhooks.inbox import service as inbox  # noqa: F401  # registers the job for retries
from webhooks.inbox.retry_policy import MAX_JOB_RUNS
from webhooks.jobs import failures, pruning
from webhooks.monitoring import alerts, hourly_counts
from webhooks.payloads import retention
from webhooks.replay import bulk as replays

log = logging.getLogger(__name__)

#: Extra delay of the check after a worker start, so that the check also detects a worker that has just died.
RECOVERY_MARGIN_S = 2


@app.periodic(cron=settings.RECOVERY_CRON)
@app.task(queue="upkeep", queueing_lock="recover_jobs_of_lost_workers", priority=URGENT)
@describe(
    _("Recover jobs of lost workers"),
    _("Restarts jobs whose worker was killed or lost its connection."),
)
async def recover_jobs_of_lost_workers(timestamp: int) -> None:
    """Requeue jobs whose worker no longer sends heartbeats, once a minute and after each start of a worker."""
    manager = app.job_manager
    timeout_s = settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"]
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=timeout_s):
        if job.attempts < MAX_JOB_RUNS:
            await manager.retry_job(job)
        else:
            await manager.finish_job(job, status=Status.FAILED, delete_job=False)
            await sync_to_async(failures.record_lost_worker)(job)
            times = counted(job.attempts, "time")
            log.error("Job %s (%s) was given up: its worker was killed %s.", job.id, job.task_name, times)
    await sync_to_async(pruning.delete_earlier_runs)(recover_jobs_of_lost_workers.name)


def recover_after_start() -> None:
    """Queue a check when a worker starts, because it may replace a killed worker."""
    delay_s = int(settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"]) + RECOVERY_MARGIN_S
    job = recover_jobs_of_lost_workers.configure(schedule_in={"seconds": delay_s}, queueing_lock="recover_after_start")
    try:
        job.defer(timestamp=0)
    except AlreadyEnqueued:
        log.debug("Another worker has already queued the check.")


@app.periodic(cron="52 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_ended_jobs")
@describe(
    _("Delete finished jobs"),
    _("Deletes finished and cancelled jobs after the number of days in JOB_RETENTION_DAYS."),
)
def delete_ended_jobs(timestamp: int) -> None:
    pruning.delete_ended()


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="aggregate_counts", priority=URGENT)
@describe(
    _("Count events"),
    _("Updates the hourly event counts on the dashboard."),
)
def aggregate_counts(timestamp: int) -> None:
    """Recount the hours with new or changed events, once a minute."""
    hourly_counts.aggregate()


@app.periodic(cron=settings.ALERT_CHECK_CRON)
@app.task(queue="upkeep", queueing_lock="check_alerts", priority=URGENT)
@describe(
    _("Check alerts"),
    _("Checks all alert rules and sends notifications. If this job does not run, the web servers check the rules."),
)
def check_alerts(timestamp: int) -> None:
    """Evaluate every alert rule and send notifications."""
    alerts.check()


@app.periodic(cron="23 2 * * *")
@app.task(queue="upkeep", queueing_lock="empty_old_payloads")
@describe(
    _("Delete old payloads"),
    _("Deletes the payloads of old events, which contain personal data."),
)
def empty_old_payloads(timestamp: int) -> None:
    retention.empty_payloads()
    secret_counts.delete_old()


@app.periodic(cron="41 * * * *")
@app.task(queue="upkeep", queueing_lock="delete_old_replay_details")
@describe(
    _("Delete replay details"),
    _("Deletes the results of old replays and dry runs, which contain personal data."),
)
def delete_old_replay_details(timestamp: int) -> None:
    replays.delete_expired_details()
