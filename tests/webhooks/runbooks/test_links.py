"""Each page that shows an error links to the runbook of the error."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import IdentityConflict, MetadataPush, Reconciliation
from audit.models import AuditVerification
from tests.helpers.factories import UserFactory
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.runbooks.steps import RUNBOOKS, page
from tests.webhooks.runbooks.test_site import failed_job
from webhooks.doctor.catalogue import CHECKS
from webhooks.inbox.rejections import CAUSES, UNAVAILABLE, RejectionCounter
from webhooks.models import Alert, CheckResult, JobFailure, WebhookEvent

pytestmark = pytest.mark.django_db

Rule = Alert.Rule


def failed_event() -> str:
    with failing_handlers():
        WebhookClient().created(person())
    return f"/admin/webhooks/webhookevent/{WebhookEvent.objects.get().pk}/change/"


def group_of_failed_event() -> str:
    failed_event()
    return f"/admin/webhooks/errorgroup/{WebhookEvent.objects.get().error_group_id}/change/"


def dead_event() -> str:
    WebhookClient().post(samples.user_event("user.created", person()) | {"data": {"id": 7}})
    return f"/admin/webhooks/webhookevent/{WebhookEvent.objects.get().pk}/change/"


def stopped_job() -> str:
    return f"/admin/webhooks/job/{failed_job()}/change/"


def group_of_failed_job() -> str:
    failed_job()
    return f"/admin/webhooks/errorgroup/{JobFailure.objects.get().group_id}/change/"


def refused_push() -> str:
    now = timezone.now()
    push = MetadataPush.objects.create(
        user=UserFactory.create(), state="refused", requested_at=now, next_attempt_at=now, last_error="Refused"
    )
    return f"/admin/accounts/metadatapush/{push.pk}/change/"


def failing_push() -> str:
    now = timezone.now()
    push = MetadataPush.objects.create(
        user=UserFactory.create(), state="pending", requested_at=now, next_attempt_at=now, last_error="502"
    )
    return f"/admin/accounts/metadatapush/{push.pk}/change/"


def open_conflict() -> str:
    users = {"user": UserFactory.create(), "other": UserFactory.create()}
    conflict = IdentityConflict.objects.create(kind="several", email="olive@example.com", **users)
    return f"/admin/accounts/identityconflict/{conflict.pk}/change/"


def failed_verification() -> str:
    now = timezone.now()
    counts = {"seal_count": 1, "row_count": 1, "erased_count": 0}
    found = AuditVerification.objects.create(
        started_at=now, finished_at=now, problems=["Row 17 was changed (seal 1)."], **counts
    )
    return f"/admin/audit/auditverification/{found.pk}/change/"


def reconciliation_report() -> str:
    run = Reconciliation.objects.create(kind="full", state="finished", finished_at=timezone.now(), unrepaired=1)
    return f"/admin/accounts/reconciliation/{run.pk}/change/"


@pytest.mark.parametrize(
    ("create", "runbook"),
    (
        (failed_event, Rule.FAILURE_RATE),
        (group_of_failed_event, Rule.FAILURE_RATE),
        (dead_event, Rule.DEAD_EVENTS),
        (stopped_job, Rule.JOBS),
        (group_of_failed_job, Rule.JOBS),
        (refused_push, Rule.PUSHES),
        (failing_push, Rule.PUSHES),
        (open_conflict, Rule.CONFLICTS),
        (failed_verification, Rule.AUDIT_CHAIN),
        (reconciliation_report, Rule.DRIFT),
    ),
)
def test_page_with_an_error_links_to_its_runbook(admin: Client, create: Callable[[], str], runbook: str) -> None:
    assert f'href="{RUNBOOKS}{runbook}/"' in page(admin, create())


def test_event_of_another_instance_links_to_its_runbook(
    admin: Client, webhook: WebhookClient, settings: Settings
) -> None:
    settings.CLERK_INSTANCE_ID = "ins_ours"
    assert webhook.created(person()) == "ignored"
    url = f"/admin/webhooks/webhookevent/{WebhookEvent.objects.get().pk}/change/"
    assert f'href="{RUNBOOKS}{Rule.OTHER_INSTANCE}/"' in page(admin, url)


def test_applied_event_links_to_no_runbook(admin: Client, webhook: WebhookClient) -> None:
    webhook.created(person())
    url = f"/admin/webhooks/webhookevent/{WebhookEvent.objects.get().pk}/change/"
    assert "Open the runbook" not in page(admin, url)


@pytest.mark.parametrize("cause", CAUSES)
def test_cause_of_rejected_requests_links_to_its_runbook(
    admin: Client, rejections: RejectionCounter, cause: str
) -> None:
    rejections.count(cause)
    rejections.flush()
    expected = Rule.UNAVAILABLE if cause in UNAVAILABLE else Rule.REJECTED
    expected = Rule.CLOCK if cause in ("stale_timestamp", "future_timestamp") else expected
    group = page(admin, "/admin/webhooks/rejections/").partition(f'id="cause-{cause}"')[2].partition("<table")[0]
    assert f'href="{RUNBOOKS}{expected}/"' in group


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - {"signals", "live_site", "security_contact", "legal_texts"}))
def test_failed_check_links_to_its_runbook(admin: Client, name: str) -> None:
    """Health signals have an alert each, the check of the live site cannot fail, and the other advice is complete."""
    CheckResult.objects.create(name=name, state="failed", summary="x", advice="y", checked_at=timezone.now())
    shown = page(admin, "/admin/webhooks/diagnostics/").partition(f'id="check-{name}"')[2].partition("</li>")[0]
    assert "Open the runbook" in shown


def test_refused_test_delivery_links_to_its_runbook(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = httpx.Response(503, json={"error": "unavailable"})
    monkeypatch.setattr(httpx, "post", lambda url, **options: refusal)
    fields = {"position": "1", "reason": "Following the runbook"}
    shown = admin.post("/admin/webhooks/repairs/test-delivery/", fields).text
    assert f'href="{RUNBOOKS}{Rule.UNAVAILABLE}/"' in shown


def test_missing_worker_links_to_its_runbook(admin: Client) -> None:
    assert f'href="{RUNBOOKS}{Rule.WORKER_GONE}/"' in page(admin, "/admin/webhooks/diagnostics/")


@pytest.mark.parametrize("rule", Rule)
def test_alert_links_to_its_runbook(admin: Client, rule: Alert.Rule) -> None:
    values = {"value": 1, "notified_value": 1, "worst_value": 1, "facts": {}}
    alert = Alert.objects.create(rule=rule, summary="x", opened_at=timezone.now() - timedelta(hours=1), **values)
    assert f'href="{RUNBOOKS}{rule}/"' in page(admin, f"/admin/webhooks/alert/{alert.pk}/change/")
