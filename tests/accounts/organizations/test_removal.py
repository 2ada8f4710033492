"""Removing a member here reaches Clerk, and Clerk's changes arrive here, in any order."""

import random
from typing import Any

import httpx
import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.clerk import organization_api
from accounts.clerk.http import ClerkApiError, ClerkRejectedError
from accounts.models import OrganizationMembership
from accounts.organizations import reconciliation, removal
from audit.log import SYSTEM
from audit.models import AuditLog
from tests.accounts.organizations.test_apply import live_members
from tests.helpers.clerk import FakeClerk
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn
from tests.local.clerk.test_backend_api import request
from tests.local.clerk.test_organizations import call

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_organizations(clerk: StandIn) -> None:
    for organization in call(clerk, "GET", "/v1/organizations?limit=500")["data"]:
        call(clerk, "DELETE", f"/v1/organizations/{organization['id']}")


@pytest.fixture
def membership(clerk: StandIn) -> OrganizationMembership:
    """Return a member known here and in Clerk."""
    olive = clerk.create(first_name="Olive")
    call(clerk, "POST", "/v1/organizations", {"name": "Harbor", "created_by": olive["id"]})
    reconciliation.reconcile()
    return OrganizationMembership.objects.get()


def members_in_clerk(clerk: StandIn) -> list[str]:
    return [each["id"] for each in call(clerk, "GET", "/v1/organization_memberships?limit=500")["data"]]


def remove(membership: OrganizationMembership) -> None:
    """Request the removal, and run its job."""
    assert removal.request_removal(membership, reason="Left the company", actor=SYSTEM)
    removal.remove(membership.pk)
    membership.refresh_from_db()


def test_member_is_removed_in_clerk_and_then_here(clerk: StandIn, membership: OrganizationMembership) -> None:
    remove(membership)
    assert members_in_clerk(clerk) == []
    assert membership.deleted_at
    actions = AuditLog.objects.filter(action__startswith="MEMBERSHIP_").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "MEMBERSHIP_ADDED",
        "MEMBERSHIP_REMOVAL_REQUESTED",
        "MEMBERSHIP_REMOVED",
    ]


def test_request_is_queued_once(membership: OrganizationMembership) -> None:
    admin = signed_in(UserFactory.create(admin=True))
    path = f"/admin/accounts/organizationmembership/{membership.pk}/remove/"
    assert "Enter a reason" in admin.post(path, {"reason": " "}, follow=True).content.decode()
    page = admin.post(path, {"reason": "Left"}, follow=True).content.decode()
    assert "The removal is waiting for Clerk." in page
    assert "already being removed" in admin.post(path, {"reason": "Left"}, follow=True).content.decode()
    jobs = ProcrastinateJob.objects.filter(task_name="accounts.organizations.removal.remove_member")
    assert jobs.count() == 1
    assert live_members()


def test_removal_can_be_requested_again_when_its_job_has_failed(membership: OrganizationMembership) -> None:
    admin = signed_in(UserFactory.create(admin=True))
    path = f"/admin/accounts/organizationmembership/{membership.pk}"
    removal.request_removal(membership, reason="Left", actor=SYSTEM)
    jobs = ProcrastinateJob.objects.filter(task_name="accounts.organizations.removal.remove_member")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed'")
    assert "The member is still in the organization. Try again." in admin.get(f"{path}/change/").content.decode()
    page = admin.post(f"{path}/remove/", {"reason": "Left"}, follow=True).content.decode()
    assert "The removal is waiting for Clerk." in page
    assert jobs.filter(status="todo").count() == 1


def test_removal_without_the_secret_key_is_refused(membership: OrganizationMembership, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = ""
    admin = signed_in(UserFactory.create(admin=True))
    path = f"/admin/accounts/organizationmembership/{membership.pk}/remove/"
    page = admin.post(path, {"reason": "Left"}, follow=True).content.decode()
    assert "CLERK_SECRET_KEY is not set" in page
    membership.refresh_from_db()
    assert membership.removal_requested_at is None
    assert not AuditLog.objects.filter(action="MEMBERSHIP_REMOVAL_REQUESTED").exists()


def test_membership_stays_in_effect_while_clerk_is_unreachable(
    clerk: StandIn, membership: OrganizationMembership
) -> None:
    removal.request_removal(membership, reason="Left", actor=SYSTEM)
    clerk.call("PATCH", "/local/settings", {"api_outage": True})
    with pytest.raises(ClerkApiError):
        removal.remove(membership.pk)
    assert live_members()
    clerk.call("PATCH", "/local/settings", {"api_outage": False})
    removal.remove(membership.pk)
    assert live_members() == set()


def test_copy_of_the_site_changes_nothing_in_clerk(
    clerk: StandIn, membership: OrganizationMembership, settings: Settings
) -> None:
    settings.LIVE_SITE = False
    removal.request_removal(membership, reason="Left", actor=SYSTEM)
    with pytest.raises(ClerkApiError):
        removal.remove(membership.pk)
    assert members_in_clerk(clerk) == [membership.clerk_id]


def test_rejection_by_clerk_is_shown(
    membership: OrganizationMembership, monkeypatch: pytest.MonkeyPatch, clerk: StandIn
) -> None:
    def reject(organization_id: str, clerk_id: str) -> None:
        raise ClerkRejectedError("The last admin cannot be removed.", code="last_admin")

    monkeypatch.setattr("accounts.clerk.organization_api.delete_membership", reject)
    remove(membership)
    assert membership.deleted_at is None
    page = signed_in(UserFactory.create(admin=True)).get(
        f"/admin/accounts/organizationmembership/{membership.pk}/change/"
    )
    assert "The last admin cannot be removed." in page.content.decode()


def test_member_who_joined_again_is_not_removed(clerk: StandIn, membership: OrganizationMembership) -> None:
    path = f"/v1/organizations/{membership.organization.clerk_id}/memberships"
    removal.request_removal(membership, reason="Left", actor=SYSTEM)
    call(clerk, "DELETE", f"{path}/{membership.user_id}")
    again = call(clerk, "POST", path, {"user_id": membership.user_id, "role": "org:member"})
    removal.remove(membership.pk)
    assert members_in_clerk(clerk) == [again["id"]]
    membership.refresh_from_db()
    assert membership.deleted_at


def test_membership_that_cannot_be_parsed_is_removed_in_clerk(
    membership: OrganizationMembership, fake: FakeClerk
) -> None:
    entry = {"id": membership.clerk_id, "role": 7}
    fake.respond_with(httpx.Response(200, json={"data": [entry]}), httpx.Response(200, json={}))
    remove(membership)
    assert [request.method for request in fake.requests] == ["GET", "DELETE"]


@pytest.mark.parametrize("entry", (None, {}, {"id": None}))
def test_entry_without_an_id_keeps_the_membership(
    membership: OrganizationMembership, fake: FakeClerk, entry: object
) -> None:
    fake.respond_with(httpx.Response(200, json={"data": [entry]}))
    with pytest.raises(ClerkApiError, match="an entry without an ID"):
        remove(membership)
    assert live_members()


def test_membership_on_a_later_page_is_removed_in_clerk(
    clerk: StandIn, membership: OrganizationMembership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization_api, "PAGE_SIZE", 2)
    monkeypatch.setattr(organization_api, "PAGE_OVERLAP", 1)
    for number in range(3):
        call(clerk, "POST", "/v1/organizations", {"name": f"No {number}", "created_by": membership.user_id})
    reconciliation.reconcile()
    last = OrganizationMembership.objects.order_by("clerk_created_at", "pk").last()
    assert last
    remove(last)
    assert last.clerk_id not in members_in_clerk(clerk)


def test_removed_member_needs_no_request(clerk: StandIn, membership: OrganizationMembership) -> None:
    OrganizationMembership.objects.update(deleted_at=membership.created_at)
    assert not removal.request_removal(membership, reason="Left", actor=SYSTEM)
    clerk.call("PATCH", "/local/settings", {"api_outage": True})
    removal.remove(membership.pk)


@given(steps=st.lists(st.sampled_from(["join", "leave", "role", "remove here", "rename", "reconcile"]), max_size=8))
@hypothesis_settings(
    max_examples=12, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_sides_agree_after_any_history(clerk: StandIn, steps: list[str]) -> None:
    """Webhooks are lost, so changes reach the other side only through the queue and reconciliation."""
    OrganizationMembership.objects.all().delete()
    olive = clerk.create(first_name="Olive")
    harbor = call(clerk, "POST", "/v1/organizations", {"name": "Harbor", "created_by": olive["id"]})
    path = f"/v1/organizations/{harbor['id']}"
    for number, step in enumerate([*steps, "reconcile"]):
        _take(clerk, path, olive["id"], step, number)
    in_clerk = call(clerk, "GET", f"{path}/memberships?limit=500")["data"]
    name = call(clerk, "GET", path)["name"]
    expected = {(name, olive["id"], member["role"]) for member in in_clerk}
    assert {member for member in live_members() if member[1] == olive["id"]} == expected
    call(clerk, "DELETE", path)


def _take(clerk: StandIn, path: str, user: str, step: str, number: int) -> None:
    members = f"{path}/memberships"
    role: dict[str, Any] = {"role": random.Random(number).choice(["org:admin", "org:member"])}
    match step:
        case "join":
            request(clerk, "POST", members, {"user_id": user, **role})
        case "leave":
            request(clerk, "DELETE", f"{members}/{user}")
        case "role":
            request(clerk, "PATCH", f"{members}/{user}", role)
        case "rename":
            request(clerk, "PATCH", path, {"name": f"Harbor {number}"})
        case "remove here":
            for membership in OrganizationMembership.objects.live().filter(user__clerk_id=user):
                remove(membership)
        case _:
            reconciliation.reconcile()
