"""Changes here and in Clerk during an outage of Clerk's Backend API reach the other side once the outage is over."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import tasks
from accounts.clerk.http import ClerkApiError
from accounts.models import ClerkRateLimit, MetadataPush, OrganizationMembership, Reconciliation, User
from accounts.organizations import reconciliation as organizations
from accounts.organizations import removal
from accounts.sessions import services as sessions
from accounts.sync import push
from audit.log import SYSTEM
from profiles.models import BuilderProfile
from tests.accounts.organizations.test_apply import live_members
from tests.accounts.organizations.test_reconciliation import states
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import PAGE, signed_in
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import StandIn
from tests.local.clerk.test_organizations import call

pytestmark = pytest.mark.django_db

USERS = 6
LONG_AGO = "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("outage"), "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        lossy: dict[str, Any] = NO_FAULTS | {"lose_percent": 100, "api_limit": 100_000}
        assert stand_in.call("PATCH", "/local/settings", lossy)[0] == 200
        yield stand_in
        stand_in.stop()


@pytest.fixture
def users(shared: StandIn, fake: FakeClerk) -> list[User]:
    """Start an outage of Clerk's API, and return builders."""
    fake.handler = forward(shared)
    for number in range(USERS):
        person = shared.create(
            first_name=f"Builder {number}", last_name="", public_metadata={"roles": ["BUILDER"], "p": 1}
        )
        sessions.fetch_user(person["id"])
    shared.call("PATCH", "/local/settings", {"api_outage": True})
    fake.requests.clear()
    return list(User.objects.order_by("pk"))


def edit_pages(users: list[User]) -> None:
    """Give each user the client role, and edit their pages several times."""
    for user in users:
        browser = signed_in(user)
        assert browser.post("/account/roles/", {"builder": "on", "client": "on"}, headers=PAGE).status_code == 302
        slug = BuilderProfile.objects.get(user=user).slug
        unavailable = {"availability": "unavailable", "currency": "USD"}
        for section, form in (
            ("introduction", {"headline": "First edit"}),
            *(("terms", terms) for terms in (unavailable, unavailable | {"availability": "available"}, unavailable)),
            ("introduction", {"headline": "Second edit"}),
        ):
            assert browser.post(f"/builders/{slug}/edit/{section}/", form, headers=PAGE).status_code == 302
        assert "Second edit" in browser.get(f"/builders/{slug}/", headers=PAGE).content.decode()
        assert browser.get("/account/", headers=PAGE).status_code == 200


def end_outage(stand_in: StandIn) -> None:
    stand_in.call("PATCH", "/local/settings", {"api_outage": False})
    ClerkRateLimit.objects.update(suspended_until=LONG_AGO)


def run_jobs() -> None:
    """Run all queued jobs like a worker, and the periodic job for due pushes."""
    for job in ProcrastinateJob.objects.filter(task_name="accounts.tasks.push_metadata", status="todo"):
        tasks.push_metadata(**job.args)
    tasks.push_due_metadata(0)


def test_changes_during_an_outage_are_pushed_once(shared: StandIn, fake: FakeClerk, users: list[User]) -> None:
    edit_pages(users)
    run_jobs()
    assert MetadataPush.objects.filter(state="pending").count() == USERS
    assert all(user.roles == ["CLIENT", "BUILDER"] for user in User.objects.all())
    # The circuit breaker opens after the first failures and applies to all users.
    assert len(fake.requests) <= 6

    end_outage(shared)
    MetadataPush.objects.update(next_attempt_at=LONG_AGO)
    fake.requests.clear()
    run_jobs()
    run_jobs()

    written = [json.loads(r.content)["public_metadata"] for r in fake.requests if r.method == "PATCH"]
    assert written == [{"availableForHire": False, "roles": ["CLIENT", "BUILDER"]}] * USERS
    assert set(MetadataPush.objects.values_list("state", flat=True)) == {"done"}
    assert {json.dumps(user["public_metadata"]) for user in shared.call("GET", "/local/users")[1]} == {
        json.dumps({"roles": ["CLIENT", "BUILDER"], "p": 1, "availableForHire": False})
    }
    assert push.push_due() == 0


def test_organizations_converge_after_lost_webhooks_and_an_outage(shared: StandIn, fake: FakeClerk) -> None:
    """No webhook arrives. The comparison and a requested removal fail during the outage, and succeed afterwards."""
    fake.handler = forward(shared)
    end_outage(shared)
    olive, vera = (shared.create(first_name=name)["id"] for name in ("Olive", "Vera"))
    harbor, lighthouse = (
        call(shared, "POST", "/v1/organizations", {"name": name, "created_by": olive})
        for name in ("Harbor", "Lighthouse")
    )
    body = {"email_address": "lost.invitation@example.com", "role": "org:member"}
    path = f"/v1/organizations/{harbor['id']}"
    invitation = call(shared, "POST", f"{path}/invitations", body)
    call(shared, "POST", f"{path}/memberships", {"user_id": vera, "role": "org:member"})
    organizations.reconcile()
    before = {("Harbor", olive, "org:admin"), ("Harbor", vera, "org:member"), ("Lighthouse", olive, "org:admin")}
    assert (live_members(), states()) == (before, {"lost.invitation@example.com": "pending"})

    call(shared, "DELETE", f"/v1/organizations/{lighthouse['id']}")
    call(shared, "POST", f"{path}/invitations/{invitation['id']}/revoke")
    call(shared, "PATCH", f"{path}/memberships/{olive}", {"role": "org:owner"})
    shared.call("PATCH", "/local/settings", {"api_outage": True})
    leaving = OrganizationMembership.objects.get(user_id=vera)
    assert removal.request_removal(leaving, reason="Left the company", actor=SYSTEM)
    with pytest.raises(ClerkApiError):
        removal.remove_member(membership_id=leaving.pk)
    tasks.reconcile_organizations(0)
    assert Reconciliation.objects.latest("pk").state == "failed"
    assert (live_members(), states()) == (before, {"lost.invitation@example.com": "pending"})

    end_outage(shared)
    fake.requests.clear()
    for _ in range(2):
        removal.remove_member(membership_id=leaving.pk)
        tasks.reconcile_organizations(0)
    assert [request.method for request in fake.requests].count("DELETE") == 1
    assert live_members() == {("Harbor", olive, "org:owner")}
    assert states() == {"lost.invitation@example.com": "revoked"}
    first, second = Reconciliation.objects.order_by("-pk")[:2][::-1]
    assert first.fields == {"organizations": 1, "memberships": 1, "invitations": 1}
    assert second.differed == 0
