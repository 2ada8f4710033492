"""Admins approve several waitlist entries after a preview. Jobs make the approvals in Clerk."""

from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone
from procrastinate import JobContext
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.clerk.api import ClerkApiError
from accounts.leads import approvals, services
from accounts.models import ClerkRateLimit, Lead, User
from audit.log import Actor
from audit.models import AuditLog
from tests.accounts.leads.test_admin import LIST, REASON, create_lead, url
from tests.helpers.clerk import FakeClerk
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(name="Adam", admin=True)
    return adam


@pytest.fixture
def browser(adam: User) -> Client:
    return signed_in(adam)


def select(browser: Client, *leads: Lead, **fields: str) -> str:
    data: dict[str, Any] = {"action": "approve", "_selected_action": [lead.pk for lead in leads], **fields}
    response = browser.post(LIST, data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def queue(browser: Client, *leads: Lead) -> str:
    return select(browser, *leads, confirmed="1", reason=REASON)


def accept(request: httpx.Request) -> httpx.Response:
    lead_id = request.url.path.split("/")[-2]
    data = {"id": lead_id, "email_address": f"{lead_id}@example.com", "status": "invited"}
    return httpx.Response(200, json=data | {"created_at": 1716883200000, "updated_at": 1916883200000})


def jobs() -> list[ProcrastinateJob]:
    return list(ProcrastinateJob.objects.filter(task_name=approvals.approve_lead.name).order_by("pk"))


def run_jobs() -> None:
    """Run the jobs, which a worker then marks as finished."""
    for job in jobs():
        approvals.approve(**job.args)
    finish_jobs("succeeded")


def finish_jobs(status: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status", [status])


def test_preview_names_each_lead_and_the_effect(browser: Client, fake: FakeClerk) -> None:
    leads = [create_lead(), create_lead("wle_2ida", state="invited"), create_lead("inv_2kim", email="kim@example.com")]
    leads.append(create_lead("wle_2gone", email="", erased_at=timezone.now()))
    page = select(browser, *leads)
    assert "1 waitlist entry will be approved in Clerk." in page
    for text in ("Clerk sends an invitation", "Invited", "Not a waitlist entry", "kim@example.com", "wle_2gone"):
        assert text in page
    assert (fake.requests, jobs()) == ([], [])


def test_jobs_approve_the_leads_with_reason_and_admin(browser: Client, adam: User, fake: FakeClerk) -> None:
    leads = [create_lead(), create_lead("wle_2rita", state="rejected"), create_lead("wle_2ida", state="invited")]
    assert "2 approvals are queued." in queue(browser, *leads)
    assert "Approval queued" in browser.get(LIST).content.decode()
    assert "An approval is queued." in browser.get(url(leads[0])).content.decode()
    fake.handler = accept
    run_jobs()
    for lead in leads[:2]:
        lead.refresh_from_db()
        assert (lead.state, lead.reason, lead.decided_by, lead.approval_requested_at) == ("invited", REASON, adam, None)
    rows = AuditLog.objects.filter(action="LEAD_DECIDED")
    assert [(row.actor, row.details) for row in rows] == [(adam, {"decision": "approve", "state": "invited"})] * 2
    assert "Approval queued" not in browser.get(LIST).content.decode()


def test_jobs_are_spread_over_clerks_limit(browser: Client) -> None:
    leads = [create_lead(f"wle_2n{number}") for number in range(12)]
    approvals.request_approvals([lead.pk for lead in leads], reason=REASON, actor=_actor())
    times = [job.scheduled_at for job in jobs() if job.scheduled_at]
    assert [round((at - times[0]).total_seconds()) for at in times] == [0] * 10 + [80, 120]


@pytest.mark.parametrize("late_s", (0, 30))
def test_limiter_never_refuses_or_delays_a_job_at_its_time(browser: Client, fake: FakeClerk, late_s: int) -> None:
    """The first jobs start late if no worker is free."""
    leads = [create_lead(f"wle_2n{number}") for number in range(approvals.MAX_LEADS)]
    approvals.request_approvals([lead.pk for lead in leads], reason=REASON, actor=_actor())
    fake.handler = accept
    times = [job.scheduled_at for job in jobs() if job.scheduled_at]
    late = [at + timedelta(seconds=late_s if number < 10 else 0) for number, at in enumerate(times)]
    for job, at, before in zip(jobs(), late, [times[0], *late], strict=False):
        move_limiter_clock(at - before)
        approvals.approve(**job.args)
    assert set(Lead.objects.values_list("state", flat=True)) == {"invited"}
    assert fake.pauses == []
    assert (times[-1] - times[0]).total_seconds() < 3700


def move_limiter_clock(passed: timedelta) -> None:
    """The limiter uses PostgreSQL's clock, so its row is moved instead of the clock."""
    ClerkRateLimit.objects.update(next_slot_at=F("next_slot_at") - passed)


def test_rejected_approval_is_shown_without_the_address(browser: Client, fake: FakeClerk) -> None:
    lead = create_lead()
    queue(browser, lead)
    error = {"code": "duplicate", "message": "lena@example.com has an account"}
    fake.respond_with(httpx.Response(422, json={"errors": [error]}))
    run_jobs()
    lead.refresh_from_db()
    assert (lead.state, "has an account" in lead.approval_error, "@" in lead.approval_error) == ("pending", True, False)
    assert "Approval failed" in browser.get(LIST).content.decode()
    assert "The approval failed:" in browser.get(url(lead)).content.decode()
    queue(browser, lead)
    fake.handler = accept
    run_jobs()
    lead.refresh_from_db()
    assert (lead.state, lead.approval_error) == ("invited", "")


def test_outage_is_shown_and_retried(browser: Client, fake: FakeClerk) -> None:
    lead = create_lead()
    queue(browser, lead)
    fake.respond_with(httpx.ConnectError("refused"))
    with pytest.raises(ClerkApiError):
        run_jobs()
    assert "could not reach Clerk" in Lead.objects.get().approval_error
    assert not AuditLog.objects.filter(action="LEAD_DECIDED").exists()
    pages = [browser.get(address).content.decode() for address in (LIST, url(lead))]
    assert "Approval will be retried" in pages[0]
    assert "could not reach Clerk" in pages[1]
    assert "pproval failed" not in "".join(pages)
    fake.handler = accept
    run_jobs()
    run_jobs()
    assert (Lead.objects.get().state, len(fake.requests)) == ("invited", 4)


def test_last_failed_attempt_ends_the_approval_and_is_audited(browser: Client, fake: FakeClerk) -> None:
    lead = create_lead()
    queue(browser, lead)
    fake.respond_with(httpx.ConnectError("refused"))
    [job] = jobs()
    for attempts, errors in ((approvals.MAX_RETRIES - 1, 0), (approvals.MAX_RETRIES, 1)):
        context = Mock(spec=JobContext, job=Mock(attempts=attempts))
        with pytest.raises(ClerkApiError):
            approvals.approve_lead(context, **job.args)
        assert AuditLog.objects.filter(action="LEAD_DECIDED").count() == errors
    finish_jobs("failed")
    assert "Approval failed" in browser.get(LIST).content.decode()
    assert "The approval failed:" in browser.get(url(lead)).content.decode()
    assert Lead.objects.get().approval_requested_at is None


def test_cancelled_job_is_shown_as_a_failed_approval(browser: Client, fake: FakeClerk) -> None:
    lead = create_lead()
    queue(browser, lead)
    finish_jobs("cancelled")
    assert "Approval failed" in browser.get(LIST).content.decode()
    assert "The job was cancelled." in browser.get(url(lead)).content.decode()


def test_admin_who_lost_the_role_approves_nothing(browser: Client, adam: User, fake: FakeClerk) -> None:
    lead = create_lead()
    queue(browser, lead)
    User.objects.filter(pk=adam.pk).update(roles=[])
    run_jobs()
    assert "no longer an admin" in Lead.objects.get().approval_error
    assert fake.requests == []


@pytest.mark.parametrize("state", ("invited", "completed"))
def test_lead_that_changed_in_the_meantime_is_left_alone(browser: Client, fake: FakeClerk, state: str) -> None:
    lead = create_lead()
    queue(browser, lead)
    Lead.objects.update(state=state, approval_error="Clerk is unreachable")
    run_jobs()
    found = Lead.objects.get()
    assert (fake.requests, found.approval_requested_at, found.approval_error) == ([], None, "")
    for address in (LIST, url(lead)):
        assert "pproval failed" not in browser.get(address).content.decode()


def test_previous_decision_is_kept_until_the_approval_succeeds(browser: Client, adam: User, fake: FakeClerk) -> None:
    rejected_at = timezone.now() - timedelta(days=3)
    rejected: dict[str, Any] = {
        "reason": "No references",
        "decided_by": UserFactory.create(admin=True),
        "decided_at": rejected_at,
    }
    lead = create_lead(state="rejected", **rejected)
    queue(browser, lead)
    fake.respond_with(httpx.Response(422, json={"errors": [{"code": "no", "message": "No"}]}))
    run_jobs()
    lead.refresh_from_db()
    assert {name: getattr(lead, name) for name in rejected} == rejected
    queue(browser, lead)
    fake.handler = accept
    run_jobs()
    lead.refresh_from_db()
    assert (lead.reason, lead.decided_by, lead.approval_reason, lead.approval_requested_by) == (REASON, adam, "", None)
    assert lead.decided_at
    assert lead.decided_at > rejected_at


def test_erasure_removes_the_request_and_its_error(browser: Client, fake: FakeClerk) -> None:
    queue(browser, create_lead())
    Lead.objects.update(approval_error="Not possible")
    services.erase(Lead.objects.all())
    lead = Lead.objects.get()
    assert (lead.approval_error, lead.approval_requested_at, lead.approval_reason) == ("", None, "")
    run_jobs()
    assert fake.requests == []


def test_invalid_requests_queue_nothing(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = [create_lead(), create_lead("wle_2b")]
    assert "CLERK_SECRET_KEY is not set" in queue(browser, *leads)
    assert "This field is required" in select(browser, *leads, confirmed="1", reason="")
    monkeypatch.setattr("accounts.admin.lead_approvals.MAX_LEADS", 1)
    assert "Select at most 1 leads" in queue(browser, *leads)
    assert jobs() == []


def _actor() -> Actor:
    return Actor(user=UserFactory.create(admin=True))
