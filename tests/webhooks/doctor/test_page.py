"""The Diagnostics page shows the latest results and queues runs."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries

from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from webhooks.doctor import jobs
from webhooks.doctor.catalogue import CHECKS
from webhooks.models import CheckResult

pytestmark = pytest.mark.django_db
URL = "/admin/webhooks/diagnostics/"


@pytest.fixture
def admin() -> Client:
    return signed_in(UserFactory.create(admin=True))


def start_worker() -> None:
    with connection.cursor() as cursor:  # Procrastinate's models are read-only.
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")


def test_results_are_shown_with_age_and_next_action(admin: Client) -> None:
    CheckResult.objects.create(
        name="mail",
        state="failed",
        summary="mail.example.com:587 rejected the login (535).",
        advice="Check user name and password in EMAIL_URL.",
        checked_at=timezone.now() - timedelta(minutes=7),
    )
    page = admin.get(URL).content.decode()
    assert "1 check failed." in page
    assert "rejected the login (535)" in page
    assert "Check user name and password in EMAIL_URL." in page
    assert "7 min ago" in page
    assert "This check has not run yet." in page


def test_checks_that_never_ran_are_not_shown_as_passed(admin: Client) -> None:
    page = admin.get(URL).content.decode()
    assert "checks have not run yet." in page
    assert "Every check passed." not in page


def test_run_now_queues_one_job_and_the_page_polls(admin: Client) -> None:
    start_worker()
    for _ in range(2):
        assert admin.post(URL).status_code == 302
    assert ProcrastinateJob.objects.filter(task_name=jobs.run_all_checks.name).count() == 1
    assert "every 2s" in admin.get(URL).content.decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    assert "every 2s" not in admin.get(URL).content.decode()


def test_run_now_without_a_worker_shows_the_next_action(admin: Client) -> None:
    assert "No worker is running" in admin.post(URL, follow=True).content.decode()


@pytest.mark.parametrize(("minutes", "text"), ((1, "Every check passed."), (30, "Unknown: the oldest result is")))
def test_old_results_are_unknown(admin: Client, minutes: int, text: str) -> None:
    at = timezone.now() - timedelta(minutes=minutes)
    CheckResult.objects.bulk_create(
        CheckResult(name=name, state="passed", summary="x", checked_at=at) for name in CHECKS
    )
    assert text in admin.get(URL).content.decode()


def test_missing_worker_is_reported_until_a_worker_runs(admin: Client) -> None:
    assert "No worker is running" in admin.get(URL).content.decode()
    start_worker()
    assert "No worker is running" not in admin.get(URL).content.decode()


def test_number_of_queries_does_not_depend_on_results(
    admin: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(6):  # among them the results, the waiting run and the running workers
        admin.get(URL)
