"""Every runbook links to the pages used in its steps, and a test triggers its problem and follows the steps."""

import ast
import html
import re
from datetime import timedelta
from typing import Any

import psycopg
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.clerk import samples
from accounts.models import IdentityConflict
from config.environment import BASE_DIR
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.helpers.locks import short_lock_timeout
from tests.helpers.webhooks import WebhookClient, person
from tests.journeys.troubles import TROUBLES
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.jobs.rows import add_event, create_job
from tests.webhooks.monitoring.test_hourly_counts import event
from tests.webhooks.monitoring.test_silence import busy, seed
from webhooks.inbox.rejections import rejection_counter
from webhooks.jobs import failures
from webhooks.models import AggregationProgress, Alert, CheckResult, WebhookEvent
from webhooks.monitoring import alerts, hourly_counts, runbooks
from webhooks.monitoring.health import measure
from webhooks.monitoring.rules import RULES
from webhooks.tasks import aggregate_counts

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
NAMES = sorted(path.stem for path in runbooks.FOLDER.glob("*.md"))
DASHBOARD = "/admin/webhooks/dashboard/"
JOURNEYS = "tests/journeys/alarms.py"
#: The test of each runbook whose steps `make alarms` does not follow.
EXERCISES: dict[str, str] = {
    Rule.JOBS: "tests/webhooks/monitoring/test_runbooks.py::test_background_jobs",
    Rule.UNAVAILABLE: "tests/webhooks/monitoring/test_runbooks.py::test_unavailable_requests",
    Rule.OLDEST_UNSETTLED: "tests/webhooks/monitoring/test_runbooks.py::test_oldest_unsettled",
    Rule.OTHER_INSTANCE: "tests/webhooks/monitoring/test_runbooks.py::test_other_instance",
    Rule.SILENCE: "tests/webhooks/monitoring/test_runbooks.py::test_silence",
    Rule.CONFLICTS: "tests/webhooks/monitoring/test_runbooks.py::test_identity_conflict",
    Rule.DIAGNOSTICS: "tests/webhooks/monitoring/test_runbooks.py::test_diagnostics",
    "unreachable": "tests/config/test_health.py::test_readiness_recovers_with_the_database",
}


@pytest.fixture
def admin() -> Client:
    return with_password()


def page(admin: Client, path: str) -> str:
    response = admin.get(path)
    assert response.status_code == 200, path
    return html.unescape(response.content.decode())


def links_of(admin: Client, name: str) -> list[str]:
    text = page(admin, f"/admin/webhooks/alert/runbooks/{name}/").partition('class="runbook"')[2]
    return [link for link in re.findall(r'href="([^"]+)"', text) if link.startswith("/admin/")]


def state_of(rule: Alert.Rule, after: timedelta = timedelta(0)) -> str:
    with time_machine.travel(timezone.now() + after, tick=False):
        return RULES[rule](measure()).state


@pytest.mark.parametrize("name", NAMES)
def test_runbook_links_open_admin_pages(admin: Client, name: str) -> None:
    links = links_of(admin, name)
    assert links, f"docs/runbooks/{name}.md has no link to a page where a step is done."
    for link in links:
        page(admin, link)


def functions_of(path: str) -> dict[str, str]:
    """Return the source of each function in a file."""
    tree = ast.parse((BASE_DIR / path).read_text())
    return {node.name: ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_runbook_is_exercised() -> None:
    assert sorted({*EXERCISES, *(trouble.rule for trouble in TROUBLES.values())}) == NAMES


@pytest.mark.parametrize("name", sorted(EXERCISES))
def test_exercise_of_runbook_exists(name: str) -> None:
    path, _, function = EXERCISES[name].partition("::")
    source = functions_of(path)[function]
    if name in Rule.values:
        assert f"Rule.{Rule(name).name}" in source


@pytest.mark.parametrize("name", sorted(TROUBLES))
def test_make_alarms_covers_every_problem(name: str) -> None:
    tests = [source for function, source in functions_of(JOURNEYS).items() if function.startswith("test_")]
    assert any(f"'{name}'" in source for source in tests)


# --- Exercises of runbooks ---


def test_oldest_unsettled(admin: Client, webhook: WebhookClient) -> None:
    with time_machine.travel(timezone.now() - timedelta(minutes=31), tick=False), failing_handlers():
        assert webhook.created(person()) == "failed"
    assert state_of(Rule.OLDEST_UNSETTLED) == "broken"
    [listed] = [link for link in links_of(admin, "oldest_unsettled") if "state=unsettled" in link]
    assert "user.created" in page(admin, listed)
    unsettled = WebhookEvent.objects.get()
    url = f"/admin/webhooks/webhookevent/{unsettled.pk}/repair/"
    admin.post(url, {"action": "resolve", "reason": "Fetched the user instead"})
    assert state_of(Rule.OLDEST_UNSETTLED) == "well"


def test_other_instance(admin: Client, settings: Any, webhook: WebhookClient) -> None:
    webhook.created(person())
    settings.CLERK_INSTANCE_ID = "ins_ours"
    assert state_of(Rule.OTHER_INSTANCE) == "broken"
    assert links_of(admin, "other_instance")
    settings.CLERK_INSTANCE_ID = WebhookEvent.objects.get().instance_id  # step 4: the site has moved
    assert state_of(Rule.OTHER_INSTANCE) == "well"


def test_silence(admin: Client, webhook: WebhookClient) -> None:
    seed(busy, timezone.now() - timedelta(hours=1))
    assert state_of(Rule.SILENCE) == "broken"
    assert "Send a test delivery" in page(
        admin, next(link for link in links_of(admin, "silence") if "test-delivery" in link)
    )
    webhook.created(person())  # step 4: an example from Clerk's dashboard
    assert state_of(Rule.SILENCE) == "well"


def test_identity_conflict(admin: Client) -> None:
    user, other = UserFactory.create(), UserFactory.create()
    conflict = IdentityConflict.objects.create(user=user, other=other, kind="several", email="olive@example.com")
    assert state_of(Rule.CONFLICTS) == "degraded"
    [listed, *_] = links_of(admin, "identity_conflict")
    assert f"/admin/accounts/identityconflict/{conflict.pk}/change/" in page(admin, listed)
    url = f"/admin/accounts/identityconflict/{conflict.pk}/resolve/"
    admin.post(url, {"resolution": "kept", "note": "Two people"}, follow=True)
    conflict.refresh_from_db()
    assert (conflict.state, state_of(Rule.CONFLICTS)) == ("kept", "well")


def test_background_jobs(admin: Client) -> None:
    job = create_job("failed", attempts=4)
    add_event(job, "started", timezone.now())
    failures.record(job, ConnectionError("The mail server is not reachable."))
    assert state_of(Rule.JOBS) == "broken"
    [listed] = [link for link in links_of(admin, "background_jobs") if "state=given_up" in link]
    assert f"/admin/webhooks/job/{job}/change/" in page(admin, listed)
    shown = page(admin, f"/admin/webhooks/job/{job}/change/")
    assert "The mail server is not reachable." in shown
    [group] = re.findall(r'href="([^"]+)">All failures with this error', shown)
    [retry] = re.findall(r'href="([^"]+)">Retry all jobs', page(admin, group))  # step 1
    [newest] = re.findall(r'name="newest" value="(\d+)"', page(admin, retry))
    assert "1 job will run again." in admin.post(retry, {"action": "retry", "newest": newest}, follow=True).text
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s AND status = 'todo'", [job])
    assert state_of(Rule.JOBS) == "well"


def test_background_job_with_a_permanent_cause_is_discarded(admin: Client) -> None:
    job = create_job("failed", attempts=4)
    assert state_of(Rule.JOBS) == "broken"
    admin.post(f"/admin/webhooks/job/{job}/action/", {"action": "discard"})  # step 2
    assert state_of(Rule.JOBS) == "well"


def test_outdated_event_counts_lead_to_the_job_that_updates_them(admin: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")
    AggregationProgress.objects.create(aggregated_at=timezone.now() - timedelta(minutes=6))
    alerts.check()
    assert state_of(Rule.JOBS, after=timedelta(minutes=6)) == "broken"
    job = create_job("todo", task=aggregate_counts.name, attempts=2)
    [value] = re.findall(r'<option value="([^"]+)">Count events', page(admin, "/admin/webhooks/job/"))  # step 4
    assert f"/admin/webhooks/job/{job}/change/" in page(admin, f"/admin/webhooks/job/?task={value}")
    hourly_counts.aggregate()
    assert state_of(Rule.JOBS) == "well"


@pytest.mark.django_db(transaction=True)
def test_unavailable_requests(admin: Client, webhook: WebhookClient, database_url: str) -> None:
    webhook.created(person())
    page(admin, DASHBOARD)
    forgotten = psycopg.connect(database_url)
    with short_lock_timeout(), connection.cursor() as cursor:
        forgotten.execute("LOCK TABLE accounts_user IN ACCESS EXCLUSIVE MODE")
        assert {webhook.post(samples.user_event("user.created", person())).status_code for _ in range(3)} == {503}
        rejection_counter.flush()
        assert state_of(Rule.UNAVAILABLE) == "broken"
        shown = page(admin, DASHBOARD)  # step 1
        assert "The table accounts_user is locked" in shown
        [pid] = re.findall(r"The database process (\d+) has held the lock", shown)
        cursor.execute("SELECT pg_terminate_backend(%s)", [int(pid)])
    forgotten.close()
    assert any("test-delivery" in link for link in links_of(admin, "unavailable_requests"))  # step 4
    webhook.created(person())
    assert state_of(Rule.UNAVAILABLE, after=timedelta(seconds=40)) == "well"


def test_diagnostics(admin: Client) -> None:
    event(timezone.now())
    mail = CheckResult.objects.create(name="mail", state="failed", summary="No login.", checked_at=timezone.now())
    alerts.check()
    assert Alert.objects.open().filter(rule=Rule.DIAGNOSTICS, summary="No login.").exists()
    assert "No login." in page(admin, next(link for link in links_of(admin, "diagnostics") if "diagnostics" in link))
    mail.state = CheckResult.State.PASSED
    mail.save()  # step 6: a worker runs the checks again
    assert state_of(Rule.DIAGNOSTICS) == "well"
