"""Failed background jobs can be retried and discarded in the admin."""

import pytest
from django.db import connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import AuditLog
from tests.helpers.clients import with_password

pytestmark = pytest.mark.django_db

URL = "/admin/procrastinate/procrastinatejob/"


@pytest.fixture
def operator() -> Client:
    return with_password()


def create_job(status: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('mail', 'send', %s) RETURNING id",
            [status],
        )
        [pk] = cursor.fetchone()
    return int(pk)


def act(operator: Client, action: str, *ids: int) -> str:
    response = operator.post(URL, {"action": action, "_selected_action": ids}, follow=True)
    return str(response.content.decode())


def test_failed_job_is_retried_and_audited(operator: Client) -> None:
    failed, done = create_job("failed"), create_job("succeeded")
    assert "1 job will run again." in act(operator, "retry", failed, done)
    assert dict(ProcrastinateJob.objects.values_list("pk", "status")) == {failed: "todo", done: "succeeded"}
    row = AuditLog.objects.get(action="JOB_RETRIED")
    assert (row.details or {})["task"] == "send"


def test_failed_job_is_discarded_and_audited(operator: Client) -> None:
    failed, running = create_job("failed"), create_job("doing")
    assert "1 job was discarded." in act(operator, "discard", failed, running)
    assert list(ProcrastinateJob.objects.values_list("pk", flat=True)) == [running]
    assert AuditLog.objects.filter(action="JOB_DISCARDED").count() == 1


@pytest.mark.parametrize("action", ("retry", "discard"))
def test_job_that_has_not_failed_is_not_changed(operator: Client, action: str) -> None:
    waiting = create_job("todo")
    assert "nothing was changed" in act(operator, action, waiting)
    assert ProcrastinateJob.objects.get(pk=waiting).status == "todo"
    assert not AuditLog.objects.filter(action__startswith="JOB_").exists()
