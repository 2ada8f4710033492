"""Failed jobs can be retried and discarded, and waiting jobs cancelled, in the admin."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from audit.models import AuditLog
from tests.helpers.clients import with_password
from tests.webhooks.jobs.rows import create_job
from webhooks.jobs import actions, failures
from webhooks.models import JobFailure

pytestmark = pytest.mark.django_db

URL = "/admin/webhooks/job/"


@pytest.fixture
def operator() -> Client:
    return with_password()


def act(operator: Client, action: str, *ids: int) -> str:
    response = operator.post(URL, {"action": action, "_selected_action": ids}, follow=True)
    return str(response.content.decode())


def statuses() -> dict[int, str]:
    return dict(ProcrastinateJob.objects.values_list("pk", "status"))


def test_failed_job_is_retried_and_audited(operator: Client) -> None:
    failed, done = create_job("failed"), create_job("succeeded")
    text = act(operator, "retry", failed, done)
    assert "1 job will run again." in text
    assert "1 job was skipped, because it is neither failed nor retrying." in text
    assert statuses() == {failed: "todo", done: "succeeded"}
    row = AuditLog.objects.get(action="JOB_RETRIED")
    assert (row.details or {})["task"] == "profiles.contact.emails.mail_contact_message"
    assert row.target == f"webhooks.job:{failed}"


def test_retrying_job_starts_now(operator: Client) -> None:
    job = create_job("todo", attempts=2, scheduled_at=timezone.now() + timedelta(hours=1))
    page = f"/admin/webhooks/job/{job}"
    assert "Retry now" in operator.get(f"{page}/change/").content.decode()
    operator.post(f"{page}/action/", {"action": "retry_now"})
    found = ProcrastinateJob.objects.get()
    assert (found.status, found.attempts) == ("todo", 2)
    assert found.scheduled_at is not None
    assert found.scheduled_at <= timezone.now()
    assert AuditLog.objects.filter(action="JOB_RETRIED").count() == 1


def test_selected_retrying_jobs_start_now(operator: Client) -> None:
    later = timezone.now() + timedelta(hours=1)
    retrying = [create_job("todo", attempts=2, scheduled_at=later) for _ in range(2)]
    failed, pending = create_job("failed"), create_job("todo", scheduled_at=later)
    text = act(operator, "retry", *retrying, failed, pending)
    for sentence in ("1 job will run again.", "2 retrying jobs start now.", "1 job was skipped, because it is neither"):
        assert sentence in text
    due = ProcrastinateJob.objects.filter(status="todo", scheduled_at__lte=timezone.now())
    assert set(due.values_list("pk", flat=True)) == {*retrying, failed}
    assert set(due.values_list("attempts", flat=True)) == {1, 2}
    assert AuditLog.objects.filter(action="JOB_RETRIED").count() == 3


def test_failed_job_is_discarded_and_audited(operator: Client) -> None:
    failed, running = create_job("failed"), create_job("doing")
    failures.record(failed, ValueError())
    assert "1 job was discarded." in act(operator, "discard", failed, running)
    assert statuses() == {running: "doing"}
    assert AuditLog.objects.filter(action="JOB_DISCARDED").count() == 1
    assert not JobFailure.objects.exists()


def test_waiting_job_is_cancelled_and_audited(operator: Client) -> None:
    waiting, running = create_job("todo"), create_job("doing")
    assert "1 job was cancelled." in act(operator, "cancel", waiting, running)
    assert statuses() == {waiting: "cancelled", running: "doing"}
    assert AuditLog.objects.filter(action="JOB_CANCELLED").count() == 1


@pytest.mark.parametrize(("action", "status"), (("retry", "todo"), ("discard", "doing"), ("cancel", "failed")))
def test_job_in_another_state_is_not_changed(operator: Client, action: str, status: str) -> None:
    job = create_job(status)
    assert "Nothing was changed" in act(operator, action, job)
    operator.post(f"{URL}{job}/action/", {"action": action})
    assert statuses() == {job: status}
    assert not AuditLog.objects.filter(action__startswith="JOB_").exists()


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    (("retry", "failed", "todo"), ("cancel", "todo", "cancelled"), ("x", "todo", "todo")),
)
def test_job_is_changed_on_its_page(operator: Client, action: str, status: str, expected: str) -> None:
    job = create_job(status)
    response = operator.post(f"{URL}{job}/action/", {"action": action}, follow=True)
    assert response.status_code == 200
    assert statuses() == {job: expected}


def test_job_is_discarded_on_its_page(operator: Client) -> None:
    job = create_job("failed")
    assert "1 job was discarded." in operator.post(f"{URL}{job}/action/", {"action": "discard"}, follow=True).text
    assert statuses() == {}


def test_job_whose_next_run_is_queued_is_skipped(operator: Client) -> None:
    """PostgreSQL would reject two waiting jobs with the same queueing lock."""
    failed = create_job("failed", queueing_lock="check_alerts")
    create_job("todo", queueing_lock="check_alerts")
    assert "its next run is already queued" in act(operator, "retry", failed)
    assert statuses()[failed] == "failed"


def test_only_the_newest_of_several_runs_is_retried(operator: Client) -> None:
    runs = [create_job("failed", queueing_lock="check_alerts") for _ in range(3)]
    assert "1 job will run again." in act(operator, "retry", *runs)
    assert statuses() == {runs[0]: "failed", runs[1]: "failed", runs[2]: "todo"}


def test_large_selection_has_one_audit_row(monkeypatch: pytest.MonkeyPatch, operator: Client) -> None:
    monkeypatch.setattr(actions, "MAX_AUDITED", 2)
    jobs = [create_job("failed") for _ in range(3)]
    act(operator, "retry", *jobs)
    row = AuditLog.objects.get(action="JOB_RETRIED")
    assert (row.details or {})["jobs"] == 3
