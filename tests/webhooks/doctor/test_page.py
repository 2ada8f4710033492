"""The Diagnostics page shows the latest results and queues runs."""

import re
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
from webhooks.models import Alert, CheckResult

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


def store_results(age: timedelta = timedelta(seconds=5), **states: str) -> None:
    at = timezone.now() - age
    CheckResult.objects.bulk_create(
        CheckResult(name=name, state=states.get(name, "passed"), summary="x", checked_at=at) for name in CHECKS
    )


def headline(admin: Client) -> str:
    """Return the headline without tags and repeated spaces."""
    [text] = re.findall(r'<p class="status-summary" role="status">(.*?)</p>', admin.get(URL).text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", "", text).split())


def icon_of(admin: Client, name: str) -> str:
    [icon] = re.findall(rf'id="check-{name}" class="is-(\w+)"', admin.get(URL).text)
    return str(icon)


def test_headline_links_to_the_open_alert(admin: Client) -> None:
    store_results()
    assert headline(admin) == "Every check passed."
    alert = Alert.objects.create(rule=Alert.Rule.DEAD_EVENTS, summary="x", value=1, notified_value=1, worst_value=1)
    assert headline(admin) == "1 alert is open."
    assert f'href="/admin/webhooks/alert/{alert.pk}/change/"' in admin.get(URL).text
    assert icon_of(admin, "signals") == "unknown"  # the result is older than the alert's last finding


def test_headline_counts_open_alerts_and_failed_checks(admin: Client) -> None:
    store_results(mail="failed")
    for rule in (Alert.Rule.DEAD_EVENTS, Alert.Rule.DIAGNOSTICS):
        Alert.objects.create(rule=rule, summary="x", value=1, notified_value=1, worst_value=1)
    assert headline(admin) == "2 alerts are open. 1 check failed."
    assert 'href="/admin/webhooks/alert/?resolved_at__isempty=1">2 alerts are open.' in admin.get(URL).text


def test_resolved_alerts_are_not_in_the_headline(admin: Client) -> None:
    store_results()
    now, numbers = timezone.now(), {"value": 1, "notified_value": 1, "worst_value": 1}
    Alert.objects.create(rule=Alert.Rule.DEAD_EVENTS, summary="x", ok_since=now, resolved_at=now, **numbers)
    assert headline(admin) == "Every check passed."


def test_signals_checked_after_the_problem_ended_have_passed(admin: Client) -> None:
    store_results()
    ok_since, numbers = timezone.now() - timedelta(minutes=1), {"value": 1, "notified_value": 1, "worst_value": 1}
    Alert.objects.create(rule=Alert.Rule.DEAD_EVENTS, summary="x", ok_since=ok_since, **numbers)
    assert headline(admin) == "1 alert is open."
    assert icon_of(admin, "signals") == "good"


def test_headline_does_not_claim_success_during_a_requested_run(admin: Client) -> None:
    store_results()
    admin.post(URL)
    assert headline(admin) == "The checks are waiting for a worker."
    start_worker()
    assert headline(admin) == "The checks are running."


@pytest.mark.parametrize(
    ("name", "minutes", "text"),
    (
        ("disk", 1, "Every check passed."),
        ("disk", 3, "Unknown: the oldest result is 3 min old."),
        ("mail", 29, "Every check passed."),
        ("mail", 31, "Unknown: the oldest result is 31 min old."),
    ),
)
def test_result_older_than_two_intervals_is_unknown(admin: Client, name: str, minutes: int, text: str) -> None:
    store_results()
    CheckResult.objects.filter(name=name).update(checked_at=timezone.now() - timedelta(minutes=minutes))
    assert headline(admin) == text


def test_missing_worker_is_reported_until_a_worker_runs(admin: Client) -> None:
    assert "No worker is running" in admin.get(URL).content.decode()
    start_worker()
    assert "No worker is running" not in admin.get(URL).content.decode()


def test_number_of_queries_does_not_depend_on_results(
    admin: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(
        7
    ):  # among them the results, the open alerts, the waiting run and the running workers
        admin.get(URL)
