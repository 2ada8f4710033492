"""Loading users for session tokens, and rejecting tokens before they expire."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import tasks
from accounts.clerk import samples
from accounts.clerk.api import ClerkApiError
from accounts.clerk.samples import SampleUser
from accounts.models import EndedSession, User
from accounts.sessions import services as sessions
from audit.models import AuditLog
from core.jobs import URGENT
from profiles.models import BuilderProfile
from tests.helpers.clerk import API_KEY, FakeClerk
from tests.helpers.tokens import mint
from tests.helpers.webhooks import WebhookClient, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def olive(webhook: WebhookClient) -> SampleUser:
    olive = person(first_name="Olive", last_name="Owner", roles=["BUILDER"])
    webhook.created(olive)
    return olive


def user_of(token: str, path: str = "/builders/") -> Any:
    return Client().get(path, headers={"authorization": f"Bearer {token}"}).wsgi_request.user


def test_valid_token_authenticates_its_user(olive: SampleUser) -> None:
    user = user_of(mint(olive.clerk_id))
    assert user.is_authenticated
    assert user == User.objects.get(clerk_id=olive.clerk_id)


def test_loading_user_and_session_takes_one_query(
    olive: SampleUser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    headers = {"authorization": f"Bearer {mint(olive.clerk_id)}"}
    with django_assert_num_queries(1):
        user: Any = Client().get("/sign-out/", headers=headers).wsgi_request.user
        assert user.name == "Olive Owner"


def test_user_is_loaded_lazily(olive: SampleUser, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        Client().get("/healthz", headers={"authorization": f"Bearer {mint(olive.clerk_id)}"})


def test_ban_takes_effect_with_the_next_request(webhook: WebhookClient, olive: SampleUser) -> None:
    token = mint(olive.clerk_id)
    assert user_of(token).is_authenticated
    banned = olive.with_changes(banned=True)
    webhook.updated(banned)
    assert not user_of(token).is_authenticated
    webhook.updated(banned.with_changes(banned=False))
    assert user_of(token).is_authenticated


def test_deletion_takes_effect_with_the_next_request(webhook: WebhookClient, olive: SampleUser) -> None:
    token = mint(olive.clerk_id)
    webhook.deleted(olive)
    assert not user_of(token).is_authenticated


@pytest.mark.parametrize("event_type", ("session.ended", "session.removed", "session.revoked"))
def test_ended_session_is_rejected_with_the_next_request(
    webhook: WebhookClient, olive: SampleUser, event_type: str
) -> None:
    token, other = mint(olive.clerk_id, sid="sess_2one"), mint(olive.clerk_id, sid="sess_2two")
    assert webhook.post(session_event(event_type, olive, "sess_2one")).json() == {"outcome": "processed"}
    assert not user_of(token).is_authenticated
    assert user_of(other).is_authenticated


def test_repeated_session_events_store_one_row(webhook: WebhookClient, olive: SampleUser) -> None:
    for event_type in ("session.ended", "session.removed", "session.ended"):
        webhook.post(session_event(event_type, olive, "sess_2one"))
    assert EndedSession.objects.count() == 1
    assert WebhookEvent.objects.filter(state="processed").count() == 4


@pytest.mark.parametrize(
    "changed", ({"id": None}, {"id": "x"}, {"id": "sess_" + "a" * 90}, {"id": "sess_\x00"}, {"user_id": 5})
)
def test_session_event_with_invalid_ids_is_dead(
    webhook: WebhookClient, olive: SampleUser, changed: dict[str, Any]
) -> None:
    event = session_event("session.ended", olive, "sess_2one")
    event["data"] |= changed
    assert webhook.post(event).json() == {"outcome": "failed"}
    assert WebhookEvent.objects.latest("id").state == WebhookEvent.State.DEAD
    assert not EndedSession.objects.exists()


def session_event(event_type: str, user: SampleUser, session_id: str) -> dict[str, Any]:
    [example, *_] = samples.examples()[event_type]
    return example | {"data": example["data"] | {"id": session_id, "user_id": user.clerk_id}}


# --- Provisional users ---


def test_unknown_user_is_created_provisionally() -> None:
    new = person(roles=["BUILDER"])
    user = user_of(mint(new.clerk_id))
    assert user.is_authenticated
    assert (user.is_provisional, user.roles, user.email) == (True, [], None)
    assert user_of(mint(new.clerk_id)) == user
    assert not BuilderProfile.objects.exists()


@pytest.mark.parametrize("event_type", ("user.created", "user.updated"))
def test_first_event_completes_a_provisional_user(webhook: WebhookClient, event_type: str) -> None:
    new = person(first_name="Olive", last_name="Owner", roles=["BUILDER"])
    user = user_of(mint(new.clerk_id))
    assert user.is_provisional
    assert webhook.send(event_type, new) == "processed"
    completed = User.objects.get()
    assert (completed.pk, completed.name, completed.roles) == (user.pk, "Olive Owner", ["BUILDER"])
    assert not completed.is_provisional
    assert BuilderProfile.objects.published().get().user == completed
    assert sorted(AuditLog.objects.values_list("action", flat=True)) == [
        "PROFILE_CREATED",
        "ROLE_ADDED",
        "USER_CREATED",
    ]


def test_event_without_roles_makes_a_provisional_user_a_client(webhook: WebhookClient) -> None:
    new = person()
    assert user_of(mint(new.clerk_id)).is_provisional
    webhook.created(new)
    assert User.objects.get().roles == ["CLIENT"]


def test_deletion_deactivates_a_provisional_user(webhook: WebhookClient) -> None:
    new = person()
    token = mint(new.clerk_id)
    assert user_of(token).is_authenticated
    webhook.deleted(new)
    assert not user_of(token).is_authenticated
    assert webhook.created(new) == "stale"


def test_deleted_user_is_not_created_again(webhook: WebhookClient, olive: SampleUser) -> None:
    webhook.deleted(olive)
    assert not user_of(mint(olive.clerk_id)).is_authenticated
    assert User.objects.count() == 1


def test_unknown_user_is_fetched_from_clerk(fake: FakeClerk) -> None:
    new = person(first_name="Olive", last_name="Owner", roles=["CLIENT"])
    assert user_of(mint(new.clerk_id)).is_authenticated
    assert user_of(mint(new.clerk_id)).is_authenticated
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("accounts.sessions.services.fetch_user", {"clerk_id": new.clerk_id})
    assert job.priority == URGENT

    fake.respond_with(httpx.Response(200, json=new.data()))
    sessions.fetch_user(**job.args)
    [request] = fake.requests
    assert (request.method, str(request.url)) == ("GET", f"https://api.clerk.com/v1/users/{new.clerk_id}")
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert User.objects.get().name == "Olive Owner"


def test_user_unknown_to_clerk_is_signed_out(fake: FakeClerk) -> None:
    token = mint(person().clerk_id)
    user = user_of(token)
    fake.respond_with(httpx.Response(404))
    sessions.fetch_user(user.clerk_id)
    assert not user_of(token).is_authenticated


@pytest.mark.parametrize(
    "response", (httpx.Response(500), httpx.Response(200, text="no JSON"), httpx.Response(200, json=[]))
)
def test_unusable_response_changes_nothing(fake: FakeClerk, response: httpx.Response) -> None:
    user = user_of(mint(person().clerk_id))
    fake.respond_with(response)
    with pytest.raises(ClerkApiError, match=user.clerk_id):
        sessions.fetch_user(user.clerk_id)
    assert User.objects.get().is_provisional


# --- Admins ---


def test_admin_role_grants_and_revokes_admin_access(webhook: WebhookClient) -> None:
    adam = person(first_name="Adam", roles=["ADMIN"])
    webhook.created(adam)
    headers = {"authorization": f"Bearer {mint(adam.clerk_id)}"}
    assert Client().get("/admin/", headers=headers).status_code == 200
    webhook.updated(adam.with_changes(roles=["CLIENT"]))
    assert Client().get("/admin/", headers=headers).status_code == 302


def test_admins_have_view_permissions_only(webhook: WebhookClient) -> None:
    adam = person(roles=["ADMIN"])
    webhook.created(adam)
    user = User.objects.get()
    assert user.has_perm("accounts.view_user")
    assert user.has_module_perms("accounts")
    for perm in ("accounts.change_user", "accounts.delete_user", "auth.add_permission", "auth.change_group"):
        assert not user.has_perm(perm)
    webhook.updated(adam.with_changes(banned=True))
    assert not User.objects.get().has_perm("accounts.view_user")


def test_other_users_have_no_admin_permissions(olive: SampleUser) -> None:
    user = User.objects.get()
    assert not user.has_perm("accounts.view_user")
    headers = {"authorization": f"Bearer {mint(olive.clerk_id)}"}
    assert Client().get("/admin/", headers=headers).status_code == 302


def test_user_is_determined_by_each_request(webhook: WebhookClient, olive: SampleUser) -> None:
    vera = person(first_name="Vera")
    webhook.created(vera)
    assert user_of(mint(olive.clerk_id)).clerk_id == olive.clerk_id
    assert user_of(mint(vera.clerk_id)).clerk_id == vera.clerk_id


def test_every_request_is_anonymous_without_clerk(settings: Settings, olive: SampleUser) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert not user_of(mint(olive.clerk_id)).is_authenticated


def test_ended_sessions_are_deleted_after_thirty_days(olive: SampleUser) -> None:
    now = timezone.now()
    for days in (1, 29, 31, 400):
        EndedSession.objects.create(session_id=f"sess_{days}", clerk_id=olive.clerk_id, ended_at=now - timedelta(days))
    tasks.delete_old_ended_sessions(timestamp=0)
    assert set(EndedSession.objects.values_list("session_id", flat=True)) == {"sess_1", "sess_29"}
