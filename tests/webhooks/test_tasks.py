"""Jobs of killed workers are requeued, or abandoned and logged if they keep killing workers."""

import asyncio
from types import SimpleNamespace
from unittest.mock import Mock, create_autospec

import pytest
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from webhooks import tasks


def stalled_job(attempts: int) -> Job:
    return Job(
        id=7,
        attempts=attempts,
        task_name="webhooks.replay.bulk.run_replay",
        queue="default",
        lock=None,
        queueing_lock=None,
    )


def run_recovery(monkeypatch: pytest.MonkeyPatch, job: Job) -> Mock:
    """Run the recovery with one stalled job, and return the mocked job manager."""
    manager: Mock = create_autospec(JobManager, instance=True)
    manager.get_stalled_jobs.return_value = [job]
    monkeypatch.setattr(tasks, "app", SimpleNamespace(job_manager=manager))
    asyncio.run(tasks.recover_jobs_of_lost_workers.func(0))
    return manager


def test_job_of_a_killed_worker_is_requeued(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    job = stalled_job(attempts=4)
    manager = run_recovery(monkeypatch, job)
    manager.retry_job.assert_awaited_once_with(job)
    assert caplog.text == ""


def test_job_that_keeps_killing_workers_is_abandoned_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The job cannot log the problem itself."""
    job = stalled_job(attempts=5)
    manager = run_recovery(monkeypatch, job)
    manager.finish_job.assert_awaited_once_with(job, status=Status.FAILED, delete_job=False)
    assert "Job 7 (webhooks.replay.bulk.run_replay) was abandoned: its worker was killed 5 times." in caplog.text
