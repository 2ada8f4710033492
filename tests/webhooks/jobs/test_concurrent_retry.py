"""Bulk retries skip jobs that another process is changing, and report them."""

import psycopg
import pytest

from tests.helpers.clients import with_password
from tests.webhooks.jobs.rows import create_job

pytestmark = pytest.mark.django_db(transaction=True)


def test_jobs_that_another_process_changes_are_skipped(database_url: str) -> None:
    job = create_job("failed")
    with psycopg.connect(database_url) as session:
        session.execute("SELECT FROM procrastinate_jobs WHERE id = %s FOR UPDATE", [job])
        data = {"action": "retry", "_selected_action": [job]}
        text = with_password().post("/admin/webhooks/job/", data, follow=True).content.decode()
    assert "Nothing was changed." in text
    assert "1 job was skipped, because another process is changing it." in text
