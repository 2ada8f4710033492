"""Jobs of a killed queue worker run again, and a slow job does not block other jobs."""

from pathlib import Path

import psycopg
import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import signals
from accounts.models import User
from tests.helpers.servers.processes import process, wait_until
from tests.helpers.webhooks import WebhookClient, person
from webhooks.models import WebhookEvent

WORKER = ["manage.py", "procrastinate", "worker"]


def fail(**kwargs: object) -> None:
    raise TimeoutError("not now")


@pytest.mark.django_db(transaction=True)
def test_job_of_a_killed_worker_is_run_by_another_worker(database_url: str, tmp_path: Path) -> None:
    signals.users_synced.connect(fail)
    try:
        assert WebhookClient().created(person()) == "failed"
    finally:
        signals.users_synced.disconnect(fail)
    make_due()
    job = ProcrastinateJob.objects.get(task_name="webhooks.inbox.service.retry_event")

    with psycopg.connect(database_url) as rival:
        rival.execute("SELECT FROM webhooks_webhookevent FOR UPDATE")  # the job waits for this lock
        with process(WORKER, database_url, tmp_path / "first.txt") as worker:
            wait_until(lambda: status_of(job) == "doing", "the first worker did not take the job")
            worker.kill()
            worker.wait()
    assert status_of(job) == "doing"
    assert WebhookEvent.objects.get().state == "failed"

    with process(WORKER, database_url, tmp_path / "second.txt"):
        wait_until(lambda: WebhookEvent.objects.get().state == "processed", "the second worker did not take over")
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_slow_job_does_not_block_other_jobs(database_url: str, tmp_path: Path) -> None:
    signals.users_synced.connect(fail)
    try:
        assert {WebhookClient().created(person()) for _ in range(2)} == {"failed"}
    finally:
        signals.users_synced.disconnect(fail)
    make_due()
    slow, quick = ProcrastinateJob.objects.filter(task_name="webhooks.inbox.service.retry_event").order_by("id")

    with psycopg.connect(database_url) as rival:
        rival.execute("SELECT FROM webhooks_webhookevent WHERE id = %s FOR UPDATE", [slow.args["event_id"]])
        with process(WORKER, database_url, tmp_path / "log.txt"):
            wait_until(lambda: status_of(quick) == "succeeded", "the other job was not run")
            assert status_of(slow) in ("doing", "todo")
            rival.rollback()


def make_due() -> None:
    """Make the first retry due immediately."""
    WebhookEvent.objects.update(next_attempt_at="2026-01-01T00:00:00Z")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now()")


def status_of(job: ProcrastinateJob) -> str:
    status: str = ProcrastinateJob.objects.values_list("status", flat=True).get(pk=job.pk)
    return status
