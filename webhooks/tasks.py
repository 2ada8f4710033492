"""Jobs of the webhook app. They carry ids only and call one verb."""

import logging

from django.conf import settings
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.jobs import Status

from webhooks.inbox import service as inbox
from webhooks.monitoring import alerts, hourly_counts
from webhooks.payloads import retention
from webhooks.replay import bulk as replays

log = logging.getLogger(__name__)

#: A job that keeps killing its worker is given up after so many runs, so that it cannot stop the queue for ever.
MAX_RUNS = 5
#: The failure of an event is stored by the inbox, which plans its own retries. These are for a lost database.
LOST_DATABASE = RetryStrategy(max_attempts=MAX_RUNS, exponential_wait=4)


@app.task(retry=LOST_DATABASE)
def retry_event(event_id: int) -> None:
    """Try a failed event again, unless it was settled or rescheduled meanwhile."""
    inbox.retry(event_id, only_if_due=True)


@app.task(retry=LOST_DATABASE)
def run_replay(replay_id: int) -> None:
    """Go on with a replay for some seconds."""
    replays.run(replay_id)


@app.periodic(cron=settings.RECOVERY_CRON)
@app.task(queue="upkeep", queueing_lock="recover_jobs_of_lost_workers")
async def recover_jobs_of_lost_workers(timestamp: int) -> None:
    """Give jobs whose worker stopped beating back to the queue, every five seconds."""
    manager = app.job_manager
    patience_s = settings.PROCRASTINATE_WORKER_DEFAULTS["stalled_worker_timeout"]
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=patience_s):
        if job.attempts < MAX_RUNS:
            await manager.retry_job(job)
        else:
            await manager.finish_job(job, status=Status.FAILED, delete_job=False)
            log.error("Job %s, %s, was given up: its worker ended %d times.", job.id, job.task_name, job.attempts)


@app.periodic(cron="* * * * *")
@app.task(queue="upkeep", queueing_lock="aggregate_counts")
def aggregate_counts(timestamp: int) -> None:
    """Recount the hours with new or changed events, once a minute."""
    hourly_counts.aggregate()


@app.periodic(cron="* * * * * 30")  # half a minute after the counts
@app.task(queue="upkeep", queueing_lock="check_alerts")
def check_alerts(timestamp: int) -> None:
    """Evaluate every alert rule and send notifications, once a minute."""
    alerts.check()


@app.periodic(cron="23 2 * * *")
@app.task(queue="upkeep", queueing_lock="empty_old_payloads")
def empty_old_payloads(timestamp: int) -> None:
    """Empty the payloads of events that nobody can want again, once a night."""
    retention.empty_payloads()


@app.periodic(cron="41 * * * *")
@app.task(queue="upkeep", queueing_lock="forget_old_replays")
def forget_old_replays(timestamp: int) -> None:
    """Delete the personal values that dry runs found, once an hour."""
    replays.forget_old()
