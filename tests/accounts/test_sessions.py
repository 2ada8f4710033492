"""Whom a good token stands for, and when it stops counting before its time is up."""

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
from audit.models import AuditLog
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


def who_is(token: str, path: str = "/builders/") -> Any:
    return Client().get(path, headers={"authorization": f"Bearer {token}"}).wsgi_request.user


def test_a_good_token_is_its_person(olive: SampleUser) -> None:
    user = who_is(mint(olive.clerk_id))
    assert user.is_authenticated
    assert user == User.objects.get(clerk_id=olive.clerk_id)


def test_loading_the_person_and_the_state_of_the_session_takes_one_query(
    olive: SampleUser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    headers = {"authorization": f"Bearer {mint(olive.clerk_id)}"}
    with django_assert_num_queries(1):
        user: Any = Client().get("/sign-out/", headers=headers).wsgi_request.user
        assert user.name == "Olive Owner"


def test_nobody_is_loaded_who_is_not_asked_for(
    olive: SampleUser, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        Client().get("/healthz", headers={"authorization": f"Bearer {mint(olive.clerk_id)}"})


def test_banning_counts_with_the_next_request(webhook: WebhookClient, olive: SampleUser) -> None:
    token = mint(olive.clerk_id)
    assert who_is(token).is_authenticated
    banned = olive.later(banned=True)
    webhook.updated(banned)
    assert not who_is(token).is_authenticated
    webhook.updated(banned.later(banned=False))
    assert who_is(token).is_authenticated


def test_deletion_counts_with_the_next_request(webhook: WebhookClient, olive: SampleUser) -> None:
    token = mint(olive.clerk_id)
    webhook.deleted(olive)
    assert not who_is(token).is_authenticated


@pytest.mark.parametrize("event_type", ("session.ended", "session.removed", "session.revoked"))
def test_an_ended_session_counts_with_the_next_request(
    webhook: WebhookClient, olive: SampleUser, event_type: str
) -> None:
    token, other = mint(olive.clerk_id, sid="sess_2one"), mint(olive.clerk_id, sid="sess_2two")
    assert webhook.post(session_event(event_type, olive, "sess_2one")).json() == {"outcome": "processed"}
    assert not who_is(token).is_authenticated
    assert who_is(other).is_authenticated


def test_a_session_that_ended_stays_ended_however_often_it_is_told(webhook: WebhookClient, olive: SampleUser) -> None:
    for event_type in ("session.ended", "session.removed", "session.ended"):
        webhook.post(session_event(event_type, olive, "sess_2one"))
    assert EndedSession.objects.count() == 1
    assert WebhookEvent.objects.filter(state="processed").count() == 4


@pytest.mark.parametrize(
    "changed", ({"id": None}, {"id": "x"}, {"id": "sess_" + "a" * 90}, {"id": "sess_\x00"}, {"user_id": 5})
)
def test_a_session_without_usable_ids_is_kept_for_a_human(
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


# --- People of whom Clerk has not told yet ---


def test_a_person_not_known_yet_is_welcomed_without_roles_and_profiles() -> None:
    new = person(roles=["BUILDER"])
    user = who_is(mint(new.clerk_id))
    assert user.is_authenticated
    assert (user.is_provisional, user.roles, user.email) == (True, [], None)
    assert who_is(mint(new.clerk_id)) == user
    assert not BuilderProfile.objects.exists()


@pytest.mark.parametrize("event_type", ("user.created", "user.updated"))
def test_the_first_event_completes_a_provisional_person(webhook: WebhookClient, event_type: str) -> None:
    new = person(first_name="Olive", last_name="Owner", roles=["BUILDER"])
    user = who_is(mint(new.clerk_id))
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


def test_an_event_without_roles_makes_a_provisional_person_a_client(webhook: WebhookClient) -> None:
    new = person()
    assert who_is(mint(new.clerk_id)).is_provisional
    webhook.created(new)
    assert User.objects.get().roles == ["CLIENT"]


def test_a_deletion_ends_a_provisional_person(webhook: WebhookClient) -> None:
    new = person()
    token = mint(new.clerk_id)
    assert who_is(token).is_authenticated
    webhook.deleted(new)
    assert not who_is(token).is_authenticated
    assert webhook.created(new) == "stale"


def test_a_deleted_person_is_not_welcomed_again(webhook: WebhookClient, olive: SampleUser) -> None:
    webhook.deleted(olive)
    assert not who_is(mint(olive.clerk_id)).is_authenticated
    assert User.objects.count() == 1


def test_clerk_is_asked_for_a_person_not_known_yet(fake: FakeClerk) -> None:
    new = person(first_name="Olive", last_name="Owner", roles=["CLIENT"])
    assert who_is(mint(new.clerk_id)).is_authenticated
    assert who_is(mint(new.clerk_id)).is_authenticated
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("accounts.tasks.fetch_user", {"clerk_id": new.clerk_id})

    fake.respond_with(httpx.Response(200, json=new.data()))
    tasks.fetch_user(**job.args)
    [request] = fake.requests
    assert (request.method, str(request.url)) == ("GET", f"https://api.clerk.com/v1/users/{new.clerk_id}")
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"
    assert User.objects.get().name == "Olive Owner"


def test_somebody_clerk_does_not_know_is_signed_out(fake: FakeClerk) -> None:
    token = mint(person().clerk_id)
    user = who_is(token)
    fake.respond_with(httpx.Response(404))
    tasks.fetch_user(user.clerk_id)
    assert not who_is(token).is_authenticated


@pytest.mark.parametrize(
    "response", (httpx.Response(500), httpx.Response(200, text="no JSON"), httpx.Response(200, json=[]))
)
def test_a_useless_answer_of_clerk_changes_nothing(fake: FakeClerk, response: httpx.Response) -> None:
    user = who_is(mint(person().clerk_id))
    fake.respond_with(response)
    with pytest.raises(ClerkApiError, match=user.clerk_id):
        tasks.fetch_user(user.clerk_id)
    assert User.objects.get().is_provisional


# --- Admins ---


def test_the_role_admin_opens_the_admin_and_its_end_closes_it(webhook: WebhookClient) -> None:
    adam = person(first_name="Adam", roles=["ADMIN"])
    webhook.created(adam)
    headers = {"authorization": f"Bearer {mint(adam.clerk_id)}"}
    assert Client().get("/admin/", headers=headers).status_code == 200
    webhook.updated(adam.later(roles=["CLIENT"]))
    assert Client().get("/admin/", headers=headers).status_code == 302


def test_admins_may_look_and_not_touch(webhook: WebhookClient) -> None:
    adam = person(roles=["ADMIN"])
    webhook.created(adam)
    user = User.objects.get()
    assert user.has_perm("accounts.view_user")
    assert user.has_module_perms("accounts")
    for perm in ("accounts.change_user", "accounts.delete_user", "auth.add_permission", "auth.change_group"):
        assert not user.has_perm(perm)
    webhook.updated(adam.later(banned=True))
    assert not User.objects.get().has_perm("accounts.view_user")


def test_others_may_not_look(olive: SampleUser) -> None:
    user = User.objects.get()
    assert not user.has_perm("accounts.view_user")
    headers = {"authorization": f"Bearer {mint(olive.clerk_id)}"}
    assert Client().get("/admin/", headers=headers).status_code == 302


def test_the_person_may_change_between_two_requests(webhook: WebhookClient, olive: SampleUser) -> None:
    vera = person(first_name="Vera")
    webhook.created(vera)
    assert who_is(mint(olive.clerk_id)).clerk_id == olive.clerk_id
    assert who_is(mint(vera.clerk_id)).clerk_id == vera.clerk_id


def test_without_clerk_everybody_is_anonymous(settings: Settings, olive: SampleUser) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert not who_is(mint(olive.clerk_id)).is_authenticated


def test_ended_sessions_are_forgotten_after_thirty_days(olive: SampleUser) -> None:
    now = timezone.now()
    for days in (1, 29, 31, 400):
        EndedSession.objects.create(session_id=f"sess_{days}", clerk_id=olive.clerk_id, ended_at=now - timedelta(days))
    tasks.delete_old_ended_sessions(timestamp=0)
    assert set(EndedSession.objects.values_list("session_id", flat=True)) == {"sess_1", "sess_29"}
