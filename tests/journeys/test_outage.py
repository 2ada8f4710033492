"""Users edit their pages during an outage of Clerk's Backend API. Afterwards, each change is pushed once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts import tasks
from accounts.models import ClerkRateLimit, MetadataPush, User
from accounts.sessions import services as sessions
from accounts.sync import push
from profiles.models import BuilderProfile
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.clients import PAGE, signed_in
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import StandIn

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

    shared.call("PATCH", "/local/settings", {"api_outage": False})
    ClerkRateLimit.objects.update(suspended_until=LONG_AGO)
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
