"""The rules and pages read a bounded number of rows, however many jobs fail."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from tests.helpers.clients import with_password
from webhooks.monitoring.health import measure
from webhooks.monitoring.rules import RULES

pytestmark = pytest.mark.django_db

INSERT = """
INSERT INTO procrastinate_jobs (queue_name, task_name, status, attempts, scheduled_at)
SELECT 'default', %s, %s, %s, now() + interval '1 hour' FROM generate_series(1, %s)
"""
READ = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::int FROM pg_stat_xact_user_tables
WHERE relname IN ('procrastinate_jobs', 'procrastinate_events', 'webhooks_jobfailure')
"""
KINDS = {
    "given up": ("profiles.contact.emails.mail_contact_message", "failed", 9),
    "retrying": ("profiles.contact.emails.mail_contact_message", "todo", 4),
}


def add(kind: str, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        # Creating rows without events and without this index takes a tenth of the time. The test is rolled back.
        cursor.execute("DROP INDEX IF EXISTS webhooks_job_arguments")
        cursor.execute("ALTER TABLE procrastinate_jobs DISABLE TRIGGER USER")
        cursor.execute(INSERT, [*KINDS[kind], number])
        cursor.execute("ALTER TABLE procrastinate_jobs ENABLE TRIGGER USER")
        cursor.execute("ANALYZE procrastinate_jobs")


def rows_read(action: Callable[[], object]) -> int:
    """Return how many rows of the tables of jobs an action reads in this transaction."""
    counts = []
    for step in (lambda: None, action):
        step()
        with connection.cursor() as cursor:
            cursor.execute(READ)
            counts.append(cursor.fetchone()[0])
    return int(counts[1] - counts[0])


def evaluate() -> None:
    health = measure()
    for rule in RULES.values():
        rule(health)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_read_do_not_grow_with_the_number_of_jobs(kind: str) -> None:
    operator = with_password()
    pages = ("dashboard/", "job/", "job/?state=given_up", "job/?state=retrying", "alert/")
    actions: dict[str, Callable[[], object]] = {"rules": evaluate} | {page: get(operator, page) for page in pages}
    read = {}
    for number in (1_000, 99_000):
        add(kind, number)
        read[number] = {name: rows_read(action) for name, action in actions.items()}
    few, many = read[1_000], read[99_000]
    assert {name: (few[name], many[name]) for name in actions if many[name] > 2 * few[name] + 100} == {}


def get(operator: Client, page: str) -> Callable[[], object]:
    return lambda: operator.get(f"/admin/webhooks/{page}")
