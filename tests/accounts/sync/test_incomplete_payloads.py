"""Payloads with missing keys or wrong types never clear stored values."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from accounts.models import User
from audit.models import AuditLog
from tests.helpers.factories import UserFactory
from tests.helpers.model import FIELD_KEYS, expected, state_of
from tests.helpers.webhooks import WebhookClient, person
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

KEYS = sorted({key for keys in FIELD_KEYS.values() for key in keys})
#: The type of each key in Clerk's schema.
TYPES = {
    "first_name": str,
    "last_name": str,
    "username": str,
    "email_addresses": list,
    "primary_email_address_id": str,
    "has_image": bool,
    "image_url": str,
    "banned": bool,
    "locked": bool,
    "public_metadata": dict,
    "created_at": int,
}
VALUES: tuple[Any, ...] = ("oops", "true", "", 7, 1.5, True, [], ["a"], {}, {"a": 1})
relaxed = settings(
    max_examples=60, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def has_type(value: object, kind: type) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) if kind is int else isinstance(value, kind)


def olive(**fields: Any) -> SampleUser:
    """Return a user with a value in every field, so that tests can detect cleared fields."""
    details: dict[str, Any] = {
        "first_name": "Olive",
        "last_name": "Owner",
        "username": "olive",
        "email": "olive@example.com",
        "has_image": True,
        "banned": True,
        "locked": True,
        "public_metadata": {"roles": ["BUILDER"], "hourlyRate": 90},
    }
    return person(**details | fields)


def build_event(event_type: str, user: SampleUser, without: tuple[str, ...] = (), **replaced: Any) -> dict[str, Any]:
    """Return an event about `user` with some keys removed and some values replaced."""
    envelope = samples.user_event(event_type, user)
    data = {key: value for key, value in envelope["data"].items() if key not in without}
    return envelope | {"data": data | replaced}


def stored_fields(user: SampleUser) -> dict[str, Any]:
    """Return a user's columns from Clerk, without the versions."""
    columns = User.objects.values().get(clerk_id=user.clerk_id)
    return {name: value for name, value in columns.items() if "version" not in name and name != "clerk_updated_at"}


def test_every_key_of_the_model_has_a_type() -> None:
    assert sorted(TYPES) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_missing_key_keeps_the_stored_value(webhook: WebhookClient, key: str) -> None:
    user = olive()
    webhook.created(user)
    before, rows = stored_fields(user), AuditLog.objects.count()
    assert webhook.post(build_event("user.updated", user.with_changes(), without=(key,))).json() == {
        "outcome": "processed"
    }
    assert stored_fields(user) == before
    assert AuditLog.objects.count() == rows


@pytest.mark.parametrize(
    "key", ("email_addresses", "has_image", "image_url", "banned", "locked", "public_metadata", "created_at")
)
def test_null_in_a_field_that_is_never_null_keeps_the_stored_value(webhook: WebhookClient, key: str) -> None:
    user = olive()
    webhook.created(user)
    before = stored_fields(user)
    assert webhook.post(build_event("user.updated", user.with_changes(), (), **{key: None})).json() == {
        "outcome": "processed"
    }
    assert stored_fields(user) == before


def test_update_with_only_id_and_time_changes_nothing(webhook: WebhookClient) -> None:
    user = olive()
    webhook.created(user)
    before = stored_fields(user)
    assert webhook.post(build_event("user.updated", user.with_changes(), without=tuple(KEYS))).json() == {
        "outcome": "processed"
    }
    assert stored_fields(user) == before


def test_other_fields_of_an_incomplete_update_are_applied(webhook: WebhookClient) -> None:
    user = olive()
    webhook.created(user)
    webhook.post(
        build_event("user.updated", user.with_changes(username="oliwia"), without=("last_name", "email_addresses"))
    )
    found = User.objects.get(clerk_id=user.clerk_id)
    assert (found.username, found.name, found.email) == ("oliwia", "Olive Owner", "olive@example.com")


def test_missing_verification_keeps_the_stored_email(webhook: WebhookClient) -> None:
    user = olive()
    webhook.created(user)
    before = stored_fields(user)
    envelope = build_event("user.updated", user.with_changes(email="moved@example.com"))
    del envelope["data"]["email_addresses"][0]["verification"]
    assert webhook.post(envelope).json() == {"outcome": "processed"}
    assert stored_fields(user) == before


def test_linking_keeps_values_missing_from_the_payload(webhook: WebhookClient) -> None:
    account = UserFactory.create(clerk_id=None, email="olive@example.com", name="Olive Owner", username="olive")
    user = olive(banned=False)
    webhook.post(build_event("user.created", user, without=("last_name", "username")))
    account.refresh_from_db()
    assert (account.clerk_id, account.name, account.username) == (user.clerk_id, "Olive Owner", "olive")


def test_older_payload_supplies_fields_missing_from_the_newest(webhook: WebhookClient) -> None:
    user = olive(banned=False)
    newest = user.with_changes(timedelta(hours=1), first_name="Oliwia")
    webhook.post(build_event("user.updated", newest, without=("email_addresses", "public_metadata")))
    assert webhook.updated(user) == "processed"
    found = User.objects.get(clerk_id=user.clerk_id)
    assert (found.name, found.email, found.roles) == ("Oliwia Owner", "olive@example.com", ["BUILDER"])
    assert found.clerk_updated_at == newest.updated_at


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key in KEYS for value in VALUES if not has_type(value, TYPES[key])],
    ids=repr,
)
def test_wrong_type_makes_the_event_dead_and_names_the_field(webhook: WebhookClient, key: str, value: Any) -> None:
    user = olive()
    webhook.created(user)
    before = stored_fields(user)
    response = webhook.post(
        build_event("user.updated", user.with_changes(last_name="Changed"), (), **{key: value}), svix_id="msg_wrong"
    )
    assert (response.status_code, response.json()) == (200, {"outcome": "failed"})
    found = WebhookEvent.objects.get(svix_id="msg_wrong")
    assert (found.state, found.error_class) == ("dead", "permanent")
    assert f"data.{key} " in found.last_error
    assert stored_fields(user) == before


@pytest.mark.parametrize(
    ("entry", "field"),
    (
        pytest.param("olive@example.com", "data.email_addresses[] ", id="entry"),
        pytest.param({"id": 7}, "data.email_addresses[].id ", id="id"),
        pytest.param({"email_address": 7}, "data.email_addresses[].email_address ", id="email"),
        pytest.param({"verification": "verified"}, "data.email_addresses[].verification ", id="verification"),
        pytest.param({"verification": {"status": True}}, "data.email_addresses[].verification.status ", id="status"),
        pytest.param({"updated_at": "now"}, "data.email_addresses[].updated_at ", id="time"),
    ),
)
def test_wrong_type_in_the_primary_email_makes_the_event_dead(webhook: WebhookClient, entry: Any, field: str) -> None:
    user = olive()
    webhook.created(user)
    before = stored_fields(user)
    envelope = build_event("user.updated", user.with_changes())
    [good] = envelope["data"]["email_addresses"]
    envelope["data"]["email_addresses"] = [good | entry if isinstance(entry, dict) else entry]
    webhook.post(envelope, svix_id="msg_wrong")
    found = WebhookEvent.objects.get(svix_id="msg_wrong")
    assert found.state == "dead"
    assert field in found.last_error
    assert stored_fields(user) == before


def test_wrong_type_is_found_even_if_a_key_of_the_same_field_is_missing(webhook: WebhookClient) -> None:
    user = olive()
    webhook.post(build_event("user.created", user, without=("first_name",), last_name=7))
    assert WebhookEvent.objects.get().last_error == "ClerkPayloadError: data.last_name is not a string."


changes = st.fixed_dictionaries(
    {"without": st.lists(st.sampled_from(KEYS), unique=True, max_size=len(KEYS)).map(tuple)},
    optional={
        "first_name": st.sampled_from(["Zofia", None]),
        "last_name": st.sampled_from(["Łęcka", None]),
        "username": st.sampled_from(["zofia", None]),
        "email": st.sampled_from(["Zofia@example.com", None]),
        "email_verified": st.booleans(),
        "has_image": st.booleans(),
        "banned": st.booleans(),
        "locked": st.booleans(),
        "public_metadata": st.sampled_from(
            [{}, {"roles": []}, {"roles": ["CLIENT", "ADMIN"]}, {"roles": ["CLIENT"], "companyName": "Olive Ltd"}]
        ),
    },
)


@given(history=st.lists(changes, min_size=1, max_size=5), seed=st.integers(0, 2**32))
@relaxed
def test_every_order_of_incomplete_payloads_has_the_same_result(
    webhook: WebhookClient, history: list[dict[str, Any]], seed: int
) -> None:
    user = olive()
    events = []
    for number, change in enumerate(history):
        fields = dict(change)
        without = fields.pop("without")
        user = user.with_changes(**fields)
        events.append(build_event("user.updated" if number else "user.created", user, without=without))
    deliveries = Random(seed).sample(events, len(events)) + Random(seed).choices(events, k=2)
    for envelope in deliveries:
        assert webhook.post(envelope).status_code == 200
    assert state_of(User.objects.get(clerk_id=user.clerk_id)) == expected(events)


@given(
    key=st.sampled_from(KEYS),
    value=st.recursive(
        st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    ),
)
@relaxed
def test_any_value_of_a_wrong_type_leaves_the_user_unchanged(webhook: WebhookClient, key: str, value: Any) -> None:
    assume(not has_type(value, TYPES[key]))
    user = olive()
    webhook.created(user)
    before = stored_fields(user)
    assert webhook.post(build_event("user.updated", user.with_changes(), (), **{key: value})).json() == {
        "outcome": "failed"
    }
    assert f"data.{key} " in WebhookEvent.objects.order_by("-id")[0].last_error
    assert stored_fields(user) == before
