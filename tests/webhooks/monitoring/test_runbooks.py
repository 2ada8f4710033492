"""Every runbook links to the pages used in its steps, and a test triggers its problem and follows the steps."""

import ast
import html
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import IdentityConflict
from config.environment import BASE_DIR
from tests.helpers.clients import with_password
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.journeys.troubles import TROUBLES
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.monitoring.test_hourly_counts import event
from tests.webhooks.monitoring.test_silence import busy, seed
from webhooks.models import Alert, CheckResult, WebhookEvent
from webhooks.monitoring import alerts, runbooks
from webhooks.monitoring.health import measure
from webhooks.monitoring.rules import RULES

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
NAMES = sorted(path.stem for path in runbooks.FOLDER.glob("*.md"))
JOURNEYS = "tests/journeys/alarms.py"
#: The test of each runbook that `make alarms` does not cover.
EXERCISES: dict[str, str] = {
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
    settings.CLERK_INSTANCE_ID = WebhookEvent.objects.get().instance_id  # step 3: the site has moved
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


def test_diagnostics(admin: Client) -> None:
    event(timezone.now())
    mail = CheckResult.objects.create(name="mail", state="failed", summary="No login.", checked_at=timezone.now())
    alerts.check()
    assert Alert.objects.open().filter(rule=Rule.DIAGNOSTICS, summary="No login.").exists()
    assert "No login." in page(admin, next(link for link in links_of(admin, "diagnostics") if "diagnostics" in link))
    mail.state = CheckResult.State.PASSED
    mail.save()  # step 6: a worker runs the checks again
    assert state_of(Rule.DIAGNOSTICS) == "well"
