"""Reconciliation of organizations with the running Clerk stand-in, which drops all webhooks."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts import tasks
from accounts.admin import report_page
from accounts.clerk import organization_api
from accounts.clerk.http import ClerkApiError
from accounts.models import Organization, OrganizationInvitation, OrganizationMembership, Reconciliation
from accounts.organizations import reconciliation
from audit.models import AuditLog
from tests.accounts.organizations import test_apply
from tests.accounts.organizations.test_apply import live_members
from tests.helpers.clerk import FakeClerk
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.organizations import SampleInvitation, SampleMembership, SampleOrganization
from tests.local.clerk.standin import INSTANCE_ID, StandIn
from tests.local.clerk.test_organizations import call

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_organizations(clerk: StandIn) -> None:
    for organization in call(clerk, "GET", "/v1/organizations?limit=500")["data"]:
        call(clerk, "DELETE", f"/v1/organizations/{organization['id']}")


@pytest.fixture
def olive(clerk: StandIn) -> dict[str, Any]:
    return clerk.create(first_name="Olive", email="olive.drift@example.com")


@pytest.fixture
def harbor(clerk: StandIn, olive: dict[str, Any]) -> dict[str, Any]:
    return call(clerk, "POST", "/v1/organizations", {"name": "Harbor", "created_by": olive["id"]})


def receive(event: dict[str, Any]) -> None:
    """Receive an event from the stand-in's instance."""
    assert test_apply.receive(event | {"instance_id": INSTANCE_ID}) == ["processed"]


def reconcile(**options: Any) -> Reconciliation:
    run = reconciliation.reconcile(**options)
    assert run
    return run


def test_missed_changes_are_applied(clerk: StandIn, olive: dict[str, Any], harbor: dict[str, Any]) -> None:
    run = reconcile()
    assert (run.state, run.missing, run.repaired, run.compared) == ("finished", 2, 2, 2)
    assert live_members() == {("Harbor", olive["id"], "org:admin")}
    assert set(AuditLog.objects.values_list("source", flat=True)) == {"reconciliation"}
    path = f"/v1/organizations/{harbor['id']}"
    call(clerk, "PATCH", path, {"name": "Harbour"})
    call(clerk, "PATCH", f"{path}/memberships/{olive['id']}", {"role": "org:member"})
    run = reconcile()
    assert (run.stale, run.repaired) == (2, 2)
    assert live_members() == {("Harbour", olive["id"], "org:member")}
    call(clerk, "DELETE", f"{path}/memberships/{olive['id']}")
    run = reconcile()
    assert (run.deleted, run.repaired) == (1, 1)
    assert OrganizationMembership.objects.get().deleted_at
    call(clerk, "DELETE", path)
    reconcile()
    assert Organization.objects.get().deleted_at


def test_second_run_changes_nothing(harbor: dict[str, Any]) -> None:
    reconcile()
    rows = AuditLog.objects.count()
    run = reconcile()
    assert (run.differed, run.repaired, AuditLog.objects.count()) == (0, 0, rows)


def test_dry_run_changes_nothing(harbor: dict[str, Any]) -> None:
    run = reconcile(dry_run=True)
    assert (run.missing, run.repaired) == (2, 0)
    assert not Organization.objects.exists()


def test_every_page_is_read(clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organization_api, "PAGE_SIZE", 3)
    monkeypatch.setattr(organization_api, "PAGE_OVERLAP", 1)
    ids = {call(clerk, "POST", "/v1/organizations", {"name": f"No {number}"})["id"] for number in range(8)}
    run = reconcile()
    assert (run.missing, run.compared) == (8, 8)
    assert set(Organization.objects.values_list("clerk_id", flat=True)) == ids


def test_unusually_many_deletions_are_skipped(clerk: StandIn) -> None:
    for _ in range(11):
        receive(SampleOrganization(slug=None).event("created"))
    run = reconcile()
    assert (run.deleted, run.unrepaired) == (0, 11)
    assert Organization.objects.live().count() == 11
    assert "11 differences in organizations (11): 11 were missing from Clerk’s list. 11 still differ." in summary_of(
        run
    )
    assert [tile.figure for tile in report_page.build_context(run)["tiles"] if tile.label == "Differed"] == ["11"]
    assert "unusually large number" in run.examples[0]["reason"]


def test_membership_of_a_user_unknown_to_clerk_is_deleted(olive: dict[str, Any], harbor: dict[str, Any]) -> None:
    organization = SampleOrganization(clerk_id=harbor["id"])
    receive(SampleMembership(organization, str(UserFactory.create().clerk_id)).event("created"))
    assert reconcile().deleted == 1
    assert live_members() == {("Harbor", olive["id"], "org:admin")}


def invite(clerk: StandIn, organization: dict[str, Any], email: str) -> dict[str, Any]:
    body = {"email_address": email, "role": "org:member"}
    return call(clerk, "POST", f"/v1/organizations/{organization['id']}/invitations", body)


def states() -> dict[str, str]:
    return dict(OrganizationInvitation.objects.values_list("email", "state"))


def test_missed_events_of_invitations_are_found(clerk: StandIn, olive: dict[str, Any], harbor: dict[str, Any]) -> None:
    revoked, accepted = invite(clerk, harbor, "revoked@example.com"), clerk.create(email="accepted@example.com")
    invite(clerk, harbor, "accepted@example.com")
    run = reconcile()
    assert (run.missing, run.repaired, run.compared) == (4, 4, 4)
    assert states() == {"revoked@example.com": "pending", "accepted@example.com": "pending"}
    path = f"/v1/organizations/{harbor['id']}"
    call(clerk, "POST", f"{path}/invitations/{revoked['id']}/revoke")
    call(clerk, "POST", f"{path}/memberships", {"user_id": accepted["id"], "role": "org:member"})
    run = reconcile()
    assert (run.missing, run.stale, run.repaired) == (1, 2, 3)
    assert run.fields == {"memberships": 1, "invitations": 2}
    assert states() == {"revoked@example.com": "revoked", "accepted@example.com": "accepted"}
    assert reconcile().differed == 0


def test_older_event_that_adds_the_expiry_is_not_stale(clerk: StandIn, harbor: dict[str, Any]) -> None:
    invite(clerk, harbor, "late@example.com")
    reconcile()
    row = OrganizationInvitation.objects.get()
    assert row.clerk_updated_at
    sent_at = row.clerk_updated_at - timedelta(minutes=1)
    organization = SampleOrganization(clerk_id=harbor["id"])
    old = SampleInvitation(organization, "late@example.com", row.clerk_id, updated_at=sent_at)
    for expected in ("processed", "stale"):
        assert test_apply.receive(old.event("created") | {"instance_id": INSTANCE_ID}) == [expected]
    row.refresh_from_db()
    assert row.expires_at


def test_comparison_keeps_what_clerks_list_does_not_contain(clerk: StandIn, harbor: dict[str, Any]) -> None:
    """The list contains neither the user nor the expiry of an invitation."""
    invite(clerk, harbor, "late@example.com")
    reconcile()
    row = OrganizationInvitation.objects.get()
    assert row.expires_at is None
    organization = SampleOrganization(clerk_id=harbor["id"])
    user_id = str(UserFactory.create().clerk_id)
    late = SampleInvitation(organization, "late@example.com", row.clerk_id, user_id=user_id, updated_at=timezone.now())
    receive(late.event("accepted"))
    old = SampleInvitation(organization, "late@example.com", row.clerk_id)
    assert test_apply.receive(old.event("created") | {"instance_id": INSTANCE_ID}) == ["stale"]
    run = reconcile()
    row.refresh_from_db()
    assert (run.differed, row.state, row.user_clerk_id) == (0, "accepted", user_id)
    assert row.expires_at


def test_invitations_missing_from_the_list_are_kept(harbor: dict[str, Any]) -> None:
    """Clerk does not list the invitations that it creates because of an organization's domain."""
    receive(SampleInvitation(SampleOrganization(clerk_id=harbor["id"])).event("created"))
    assert reconcile().deleted == 0
    assert states() == {"invited@example.com": "pending"}


@pytest.mark.parametrize("is_erased", (True, False), ids=("erased", "retention ended"))
def test_comparison_does_not_restore_addresses(fake: FakeClerk, *, is_erased: bool) -> None:
    invitation = SampleInvitation(SampleOrganization(), "zofia@example.com", updated_at=timezone.now())
    if is_erased:
        zofia = UserFactory.create(email="zofia@example.com", confirmed=True)
        receive(invitation.event("created"))
        test_apply.erase(zofia)
    else:
        invitation = replace(invitation, updated_at=timezone.now() - timedelta(days=38))
    empty = {"data": [], "total_count": 0}
    listed = {"data": [invitation.data("revoked")], "total_count": 1}
    organizations = {"data": [invitation.organization.data()], "total_count": 1}
    fake.respond_with(*(httpx.Response(200, json=page) for page in (organizations, empty, listed)))
    run = reconcile()
    assert fake.requests[-1].url.params.get_list("status") == ["pending", "accepted", "revoked", "expired"]
    assert (run.compared, run.stale) == (2, 0)
    assert not OrganizationInvitation.objects.exclude(email="").exists()


def test_unreadable_entries_are_kept_and_reported(fake: FakeClerk) -> None:
    receive(SampleOrganization(clerk_id="org_odd").event("created"))
    page = {"data": [SampleOrganization(clerk_id="org_odd").data() | {"name": 7}, None], "total_count": 2}
    empty = {"data": [], "total_count": 0}
    fake.respond_with(httpx.Response(200, json=page), httpx.Response(200, json=empty))
    run = reconcile()
    assert (run.unreadable, run.deleted) == (2, 0)
    assert run.fields == {"organizations": 1, "unknown": 1}
    assert run.examples[0]["reason"] == "data.name is not a string."
    assert Organization.objects.live().exists()


@pytest.mark.parametrize("response", (httpx.Response(200, json=[]), httpx.Response(200, json={"data": None})))
def test_unexpected_response_ends_the_run_without_deletions(fake: FakeClerk, response: httpx.Response) -> None:
    receive(SampleOrganization().event("created"))
    fake.respond_with(response)
    with pytest.raises(ClerkApiError, match="has no list of data"):
        reconcile()
    assert Reconciliation.objects.get().state == "failed"
    assert Organization.objects.live().exists()


def test_site_without_organizations_sends_no_request(fake: FakeClerk) -> None:
    tasks.reconcile_organizations(0)
    assert fake.requests == []
    assert not Reconciliation.objects.exists()


def test_job_stores_an_error_in_the_report(fake: FakeClerk) -> None:
    receive(SampleOrganization().event("created"))
    tasks.reconcile_organizations(0)
    assert Reconciliation.objects.get().state == "failed"


def test_report_of_users_is_not_affected(harbor: dict[str, Any]) -> None:
    """The match rate, the alerts and the next comparison of users use only reports about users."""
    reconcile()
    assert not Reconciliation.objects.repairing().exists()


def test_command_and_admin_show_the_report(harbor: dict[str, Any]) -> None:
    output = StringIO()
    call_command("reconcile", "--organizations", stdout=output)
    assert "Organizations, memberships and invitations compared: 2. Missing here: 2" in output.getvalue()
    run = Reconciliation.objects.get()
    browser: Client = signed_in(UserFactory.create(admin=True))
    page = browser.get(f"/admin/accounts/reconciliation/{run.pk}/change/")
    assert page.status_code == 200
    assert harbor["id"] in page.content.decode()
    assert "Differences: organizations 1, memberships 1." in output.getvalue()


def summary_of(run: Reconciliation) -> str:
    return str(report_page.build_context(run)["summary"])


@pytest.mark.parametrize(
    ("facts", "sentence"),
    (
        ({}, "No differences found."),
        (
            {"missing": 3, "stale": 1, "fields": {"organizations": 1, "invitations": 3}},
            "4 differences in organizations (1), invitations (3): 3 were missing here, 1 was out of date here. All differences were repaired.",
        ),
        (
            {"deleted": 1, "fields": {"memberships": 1}, "dry_run": True},
            "1 difference in memberships (1): 1 was deleted in Clerk. Nothing was changed.",
        ),
        ({"stale": 1}, "1 difference in organizations: 1 was out of date here. All differences were repaired."),
    ),
    ids=("none", "several", "dry run", "report without objects"),
)
def test_report_names_what_differed(facts: dict[str, Any], sentence: str) -> None:
    now = timezone.now()
    run = Reconciliation.objects.create(kind="organizations", state="finished", finished_at=now, **facts)
    assert summary_of(run) == sentence
    page = signed_in(UserFactory.create(admin=True)).get(f"/admin/accounts/reconciliation/{run.pk}/change/")
    assert "Differences by field" not in page.content.decode()
    assert all(not tile.url for tile in page.context["tiles"])
