"""Finished and cancelled jobs are deleted after some days. Failed jobs are kept."""

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from tests.webhooks.jobs.rows import add_event, create_job
from webhooks import errors
from webhooks.jobs import pruning
from webhooks.models import JobFailure

pytestmark = pytest.mark.django_db

OLD = timedelta(days=8)


def remaining() -> set[int]:
    return set(ProcrastinateJob.objects.values_list("pk", flat=True))


@pytest.mark.parametrize("status", ("succeeded", "cancelled", "aborted"))
def test_ended_job_is_deleted_after_the_retention_period(status: str) -> None:
    old, recent = create_job(status, queued=OLD), create_job(status, queued=timedelta(days=6))
    assert pruning.delete_ended() == 1
    assert remaining() == {recent}, old


@pytest.mark.parametrize("status", ("todo", "doing", "failed"))
def test_unfinished_and_failed_jobs_are_kept(status: str) -> None:
    old = create_job(status, queued=OLD)
    create_job("succeeded", queued=OLD)
    assert pruning.delete_ended() == 1
    assert remaining() == {old}


def test_age_is_measured_from_the_end_of_the_job() -> None:
    slow = create_job("succeeded", queued=OLD)
    add_event(slow, "succeeded", timezone.now() - timedelta(days=1))
    assert pruning.delete_ended() == 0


def test_retention_period_is_configurable(settings: Settings) -> None:
    settings.JOB_RETENTION_DAYS = 30
    create_job("succeeded", queued=OLD)
    assert pruning.delete_ended() == 0


def test_failures_are_deleted_with_their_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH_SIZE", 2)
    group = errors.group_of(ValueError())
    jobs = [create_job("succeeded", queued=OLD) for _ in range(5)]
    for pk in (*jobs, 0):
        JobFailure.objects.create(job_id=pk, group_id=group)
    assert pruning.delete_ended() == 5
    assert JobFailure.objects.get().job_id == 0
