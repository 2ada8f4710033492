"""A worker records each failed attempt of a job with its error group, and no personal data."""

import asyncio
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest.mock import patch

import pytest
from django.db import OperationalError
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from webhooks.jobs import failures
from webhooks.models import JobFailure

pytestmark = pytest.mark.django_db(transaction=True)

JOB = Job(
    id=7, task_name="profiles.contact.emails.mail_contact_message", queue="default", lock=None, queueing_lock=None
)
CONTEXT: Any = SimpleNamespace(job=JOB)


async def fail() -> NoReturn:
    raise ConnectionError("No mail server accepts 'olive@example.com'.")


async def succeed() -> str:
    return "done"


def test_workers_use_the_middleware() -> None:
    assert failures.record_failures in app.worker_defaults["worker_middleware"]


def test_failed_attempt_is_recorded() -> None:
    with pytest.raises(ConnectionError):
        asyncio.run(failures.record_failures(fail, CONTEXT, None))
    failure = JobFailure.objects.select_related("group").get()
    assert failure.job_id == JOB.id
    assert failure.error == "ConnectionError: No mail server accepts …."
    assert "in fail" in failure.traceback
    assert "olive" not in failure.traceback
    assert failure.group.error_type == "ConnectionError"


def test_successful_attempt_is_not_recorded() -> None:
    assert asyncio.run(failures.record_failures(succeed, CONTEXT, None)) == "done"
    assert not JobFailure.objects.exists()


def test_job_error_is_preserved_if_the_database_is_down(caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(failures, "record", side_effect=OperationalError("down")), pytest.raises(ConnectionError):
        asyncio.run(failures.record_failures(fail, CONTEXT, None))
    assert "The failure of job 7 (profiles.contact.emails.mail_contact_message) could not be recorded" in caplog.text
