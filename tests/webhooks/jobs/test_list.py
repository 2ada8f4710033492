"""The list of jobs shows every job's state, person and error, and filters and searches in a fixed number of queries."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import DataExport
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.webhooks.jobs.rows import add_event, create_job
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.jobs import failures
from webhooks.jobs.lists import with_state
from webhooks.models import ErrorGroup, Job, JobFailure

pytestmark = pytest.mark.django_db

URL = "/admin/webhooks/job/"
#: The session, the user, the permissions, and six queries of the list: see add_details.
QUERIES = 9


@pytest.fixture
def operator() -> Client:
    return with_password()


def listed(operator: Client, query: str = "") -> list[int]:
    response = operator.get(f"{URL}?{query}")
    assert response.status_code == 200
    return [int(pk) for pk in re.findall(rf'href="{URL}(\d+)/change/', response.content.decode())]


@pytest.mark.parametrize(
    ("status", "attempts", "state"),
    (
        ("todo", 0, "pending"),
        ("todo", 1, "retrying"),
        ("doing", 1, "running"),
        ("failed", 1, "failed"),
        ("failed", 3, "given_up"),
        ("succeeded", 1, "finished"),
        ("cancelled", 0, "cancelled"),
        ("aborted", 1, "cancelled"),
    ),
)
def test_state_is_derived_and_filtered(operator: Client, status: str, attempts: int, state: str) -> None:
    job = create_job(status, attempts=attempts)
    assert with_state(Job.objects.all()).get().state == state
    assert listed(operator, f"state={state}") == [job]
    others = "&".join(f"state={other}" for other in ("pending", "running", "failed", "given_up") if other != state)
    assert listed(operator, others) == []


def test_titles_and_readable_names_are_shown(operator: Client) -> None:
    create_job(task="profiles.contact.emails.mail_contact_message")
    create_job(task="removed.task")
    text = operator.get(URL).content.decode()
    assert "<h1>Jobs</h1>" in text
    assert "Send a contact message" in text
    assert "removed.task" in text


def test_next_attempt_of_a_retrying_job_is_shown(operator: Client) -> None:
    at = timezone.now() + timedelta(hours=1)
    create_job(attempts=2, scheduled_at=at)
    assert f"{at:%H:%M:%S}" in operator.get(URL).content.decode()


def test_jobs_are_filtered_by_task_and_time(operator: Client) -> None:
    old = create_job(queued=timedelta(days=2))
    new, other = create_job(), create_job(task="webhooks.tasks.check_alerts")
    assert listed(operator, "task=webhooks.tasks.check_alerts") == [other]
    assert listed(operator, "within=24h") == [other, new]
    before = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert listed(operator, f"queued_at__lt={before}") == [old]
    assert listed(operator, f"queued_at__gte={before}") == [other, new]


def test_overdue_jobs_are_filtered(operator: Client) -> None:
    hour = timedelta(hours=1)
    late, waiting = create_job(scheduled_at=timezone.now() - hour), create_job(queued=hour)
    create_job()
    create_job(scheduled_at=timezone.now() + hour, queued=hour)
    create_job("succeeded", queued=hour)
    assert listed(operator, "overdue=1") == [waiting, late]


@pytest.mark.parametrize(
    "query", ("overdue=2", "state=broken", "task=x", "within=x", "queued_at__gte=x", "error_group=x", "user=0")
)
def test_invalid_filter_is_reported(operator: Client, query: str) -> None:
    job = create_job()
    assert listed(operator, query) == [job]
    assert "errornote" in operator.get(f"{URL}?{query}").content.decode()


def jobs_of_olive() -> tuple[Any, set[int]]:
    """Create a user with one job of each kind that concerns users, and the same jobs for other users."""
    olive, other = UserFactory.create(name="Olive Owner"), UserFactory.create()
    export = DataExport.objects.create(user=olive, expires_at=timezone.now())
    stored = event(clerk_user_id=olive.clerk_id)
    arguments: dict[str, dict[str, Any]] = {
        "accounts.tasks.push_metadata": {"user_id": olive.pk},
        "accounts.sessions.services.fetch_user": {"clerk_id": olive.clerk_id},
        "accounts.sync.on_demand_fetch.reconcile_user": {"clerk_id": olive.clerk_id, "report_id": 1},
        "accounts.privacy.exports.build_data_export": {"export_id": export.pk},
        "webhooks.inbox.service.retry_event": {"event_id": stored.pk},
    }
    create_job(task="accounts.tasks.push_metadata", args={"user_id": other.pk})
    create_job(task="webhooks.inbox.service.retry_event", args={"event_id": stored.pk + 1})
    return olive, {create_job(task=task, args=args) for task, args in arguments.items()}


def test_search_finds_jobs_by_user(operator: Client) -> None:
    olive, expected = jobs_of_olive()
    assert set(listed(operator, f"user={olive.clerk_id}")) == expected
    assert set(listed(operator, f"user={olive.pk}")) == expected
    assert set(listed(operator, f"q={olive.clerk_id}")) == expected
    assert set(listed(operator, f"q={olive.email}")) == expected
    assert listed(operator, "q=nobody@example.com") == []
    text = operator.get(f"{URL}?user={olive.pk}").content.decode()
    assert text.count('dir="auto">Olive Owner</a>') == len(expected)


def test_search_finds_jobs_by_id_event_and_word(operator: Client) -> None:
    stored = event()
    job = create_job(task="webhooks.inbox.service.retry_event", args={"event_id": stored.pk})
    create_job()
    assert listed(operator, f"q={job}") == [job]
    assert listed(operator, f"q={stored.svix_id}") == [job]
    assert listed(operator, "q=retry an event") == [job]
    assert listed(operator, f"q={10**30}") == listed(operator, "q=msg_none") == []


def test_error_is_shown_without_values_and_filtered_by_group(operator: Client) -> None:
    failed = create_job("failed", attempts=1)
    create_job("failed", attempts=1)
    failures.record(failed, ValueError("The address 'olive@example.com' is wrong."))
    text = operator.get(URL).content.decode()
    assert "ValueError: The address … is wrong." in text
    assert "olive@" not in text
    assert listed(operator, f"error_group={ErrorGroup.objects.get().pk}") == [failed]


def test_number_of_queries_does_not_depend_on_the_number_of_jobs(operator: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            operator.get(URL)
        assert not any("count(*)" in query["sql"].lower() for query in queries.captured_queries)
        return len(queries)

    create_job()
    few = count()
    for _ in range(60):
        create_job("failed", attempts=2)
    assert count() == few <= QUERIES


def test_page_shows_purpose_history_and_cause(operator: Client) -> None:
    job, now = create_job("doing", attempts=1, queued=timedelta(hours=1)), timezone.now()
    for minutes, kind in ((50, "started"), (49, "deferred_for_retry"), (10, "started")):
        add_event(job, kind, now - timedelta(minutes=minutes))
    failures.record(job, ConnectionError("The mail server is not reachable."))
    JobFailure.objects.update(failed_at=now - timedelta(minutes=49))
    text = operator.get(f"{URL}{job}/change/").content.decode()
    expected = ["Send a contact message", "Running.", "Queued", "attempt 1", "ConnectionError", "attempt 2", "Purpose"]
    assert expected == sorted(expected, key=text.index)
    assert "builder does not receive the message" in text
    assert "Failed, will be retried" in text


def test_missing_job_returns_not_found(operator: Client) -> None:
    assert operator.get(f"{URL}1234567/change/").status_code == 404


class TestBulkRetry:
    def test_all_matching_failed_jobs_are_retried(self, operator: Client) -> None:
        failed = [create_job("failed", attempts=2) for _ in range(3)]
        other = create_job("failed", attempts=2, task="webhooks.tasks.check_alerts")
        task = "task=profiles.contact.emails.mail_contact_message"
        page = operator.get(f"{URL}bulk/?{task}").content.decode()
        assert "3 failed jobs." in page
        [newest] = re.findall(r'name="newest" value="(\d+)"', page)
        later = create_job("failed", attempts=2)
        response = operator.post(f"{URL}bulk/?{task}", {"action": "retry", "newest": newest}, follow=True)
        assert "3 jobs will run again." in response.content.decode()
        statuses = dict(ProcrastinateJob.objects.values_list("pk", "status"))
        assert statuses == dict.fromkeys(failed, "todo") | {other: "failed", later: "failed"}

    def test_list_shows_the_retried_jobs(self, operator: Client) -> None:
        """They no longer match the state of the list from which they were retried."""
        retried, sent = [create_job("failed", attempts=2) for _ in range(2)], create_job("succeeded", attempts=1)
        create_job("todo", scheduled_at=timezone.now() + timedelta(hours=1))
        create_job("todo", scheduled_at=timezone.now() + timedelta(hours=1), attempts=2)
        query, data = "state=given_up", {"action": "retry", "newest": sent}
        response = operator.post(f"{URL}bulk/?{query}", data, follow=True)
        assert {row.pk for row in response.context["cl"].result_list} == {*retried}
        assert "Retried before (UTC)" in response.content.decode()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = ANY(%s)", [retried])
        data = {"action": "retry", "_selected_action": retried}
        response = operator.post(f"{URL}?{query}", data, follow=True)
        assert {row.pk for row in response.context["cl"].result_list} == {*retried}

    def test_list_shows_retried_jobs_that_fail_again(self, operator: Client) -> None:
        job = create_job("failed", attempts=2)
        url = operator.post(f"{URL}?state=given_up", {"action": "retry", "_selected_action": [job]})["Location"]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour'")
        assert [row.pk for row in operator.get(url).context["cl"].result_list] == [job]

    def test_list_shows_the_cancelled_jobs(self, operator: Client) -> None:
        waiting = create_job("todo")
        create_job("succeeded", attempts=1)
        data = {"action": "cancel", "_selected_action": [waiting]}
        response = operator.post(f"{URL}?state=pending", data, follow=True)
        assert [row.pk for row in response.context["cl"].result_list] == [waiting]

    def test_list_keeps_its_filters_if_nothing_was_changed(self, operator: Client) -> None:
        job = create_job("succeeded", attempts=1)
        data = {"action": "retry", "_selected_action": [job]}
        response = operator.post(f"{URL}?state=finished", data, follow=True)
        assert [row.pk for row in response.context["cl"].result_list] == [job]

    def test_retrying_jobs_are_retried_but_not_discarded(self, operator: Client) -> None:
        later = timezone.now() + timedelta(hours=1)
        retrying, failed = create_job("todo", attempts=3, scheduled_at=later), create_job("failed", attempts=3)
        pending = create_job("todo", scheduled_at=later)
        page = operator.get(f"{URL}bulk/").content.decode()
        assert "1 failed job." in page
        assert "1 retrying job." in page
        data = {"action": "discard", "newest": pending}
        assert "1 job was discarded." in operator.post(f"{URL}bulk/", data, follow=True).content.decode()
        assert not ProcrastinateJob.objects.filter(pk=failed).exists()
        data = {"action": "retry", "newest": pending}
        assert "1 retrying job starts now." in operator.post(f"{URL}bulk/", data, follow=True).content.decode()
        due = ProcrastinateJob.objects.filter(scheduled_at__lte=timezone.now())
        assert list(due.values_list("pk", flat=True)) == [retrying]

    def test_invalid_request_changes_nothing(self, operator: Client) -> None:
        job = create_job("failed")
        for query, data in (("", {}), ("state=x", {"action": "retry", "newest": job}), ("", {"action": "retry"})):
            response = operator.post(f"{URL}bulk/?{query}", data, follow=True)
            assert "Nothing was changed" in response.content.decode()
        assert ProcrastinateJob.objects.get().status == "failed"
