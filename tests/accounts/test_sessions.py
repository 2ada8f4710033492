"""Whom a good token stands for, and when it stops counting before its time is up."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.models import EndedSession, User
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
    request = Client().get("/healthz").wsgi_request  # warm
    assert not request.user.is_authenticated
    request = Client().get("/builders/", headers={"authorization": f"Bearer {mint(olive.clerk_id)}"}).wsgi_request
    with django_assert_num_queries(1):
        assert request.user.is_authenticated
        assert request.user.name


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


def test_an_unknown_person_is_nobody(olive: SampleUser) -> None:
    assert not who_is(mint(person().clerk_id)).is_authenticated


def test_the_person_may_change_between_two_requests(webhook: WebhookClient, olive: SampleUser) -> None:
    vera = person(first_name="Vera")
    webhook.created(vera)
    assert who_is(mint(olive.clerk_id)).clerk_id == olive.clerk_id
    assert who_is(mint(vera.clerk_id)).clerk_id == vera.clerk_id


def test_without_clerk_everybody_is_anonymous(settings: Settings, olive: SampleUser) -> None:
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert not who_is(mint(olive.clerk_id)).is_authenticated


# --- A local operator ---


@pytest.fixture
def operator() -> Client:
    User.objects.create_superuser("operator", "a good password")
    client = Client()
    assert client.login(login="operator", password="a good password")
    return client


def test_a_password_opens_the_admin(operator: Client) -> None:
    assert operator.get("/admin/").status_code == 200


def test_a_password_opens_nothing_else(operator: Client) -> None:
    assert not operator.get("/builders/").wsgi_request.user.is_authenticated


def test_a_clerk_token_counts_before_a_password(operator: Client, olive: SampleUser) -> None:
    request = operator.get("/admin/", headers={"authorization": f"Bearer {mint(olive.clerk_id)}"}).wsgi_request
    assert getattr(request.user, "clerk_id", None) == olive.clerk_id
