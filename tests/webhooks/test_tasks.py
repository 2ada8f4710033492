"""Jobs of killed workers are requeued, or given up and recorded if they keep killing workers."""

from types import SimpleNamespace
from unittest.mock import Mock, create_autospec

import pytest
from asgiref.sync import async_to_sync
from croniter import croniter
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from config import settings as product_settings
from tests.webhooks.jobs.rows import create_job
from webhooks import tasks
from webhooks.models import JobFailure

pytestmark = pytest.mark.django_db(transaction=True)


def stalled_job(attempts: int) -> Job:
    return Job(
        id=7,
        attempts=attempts,
        task_name="webhooks.replay.bulk.run_replay",
        queue="default",
        lock=None,
        queueing_lock=None,
    )


def run_recovery(monkeypatch: pytest.MonkeyPatch, *jobs: Job) -> Mock:
    """Run the recovery with stalled jobs, and return the mocked job manager."""
    manager: Mock = create_autospec(JobManager, instance=True)
    manager.get_stalled_jobs.return_value = [*jobs]
    monkeypatch.setattr(tasks, "app", SimpleNamespace(job_manager=manager))
    async_to_sync(tasks.recover_jobs_of_lost_workers.func)(0)
    return manager


def test_job_of_a_killed_worker_is_requeued(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    job = stalled_job(attempts=4)
    manager = run_recovery(monkeypatch, job)
    manager.retry_job.assert_awaited_once_with(job)
    assert caplog.text == ""


def test_job_that_repeatedly_kills_workers_is_given_up_and_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The job cannot record the problem itself."""
    job = stalled_job(attempts=5)
    manager = run_recovery(monkeypatch, job)
    manager.finish_job.assert_awaited_once_with(job, status=Status.FAILED, delete_job=False)
    assert "Job 7 (webhooks.replay.bulk.run_replay) was given up: its worker was killed 5 times." in caplog.text
    failure = JobFailure.objects.get(job_id=7)
    assert str(failure.group) == "WorkerLost in webhooks.replay.bulk.run_replay"
    assert "5 times" in failure.error


def test_recovery_keeps_only_its_last_run(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "webhooks.tasks.recover_jobs_of_lost_workers"
    runs = [create_job("succeeded", task=name) for _ in range(3)]
    failed, other = create_job("failed", task=name), create_job("succeeded", task="webhooks.tasks.check_alerts")
    run_recovery(monkeypatch)
    assert set(ProcrastinateJob.objects.values_list("pk", flat=True)) == {runs[-1], failed, other}


def test_recovery_runs_once_a_minute() -> None:
    runs = croniter(product_settings.RECOVERY_CRON, 0)
    first: float = runs.get_next(float)
    assert runs.get_next(float) - first == 60


def test_starting_worker_queues_one_recovery() -> None:
    tasks.recover_after_start()
    tasks.recover_after_start()
    job = ProcrastinateJob.objects.get()
    assert job.task_name == "webhooks.tasks.recover_jobs_of_lost_workers"
    with connection.cursor() as cursor:
        cursor.execute("SELECT scheduled_at - now() BETWEEN '3 s' AND '5 s' FROM procrastinate_jobs")
        assert cursor.fetchone() == (True,)
