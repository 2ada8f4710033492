"""Test fixtures have the same structure as the payload and contain no personal data."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.clerk import samples
from accounts.clerk.payloads import ClerkUser, parse_event
from accounts.models import User
from tests.helpers.webhooks import WebhookClient, person
from webhooks.payloads import anonymize
from webhooks.payloads.anonymize import FixtureError

HOSTILE = {
    "roles": ["BUILDER", "chief of Łódź"],
    "hourlyRate": 4711,
    "companyName": "Zofia & Sons",
    "zofia@wasowska.example": {"password": "hunter2hunter2", "birthday": 19840229},
    "note": "call +48 601 234 567 or ليلى منصور 高橋美咲",
}
ZOFIA = person(
    first_name="Zofia",
    last_name="Wąsowska-Łęcka",
    username="zofia_w",
    email="Zofia@Wasowska.example",
    phone="+48601234567",
    has_image=True,
    public_metadata=HOSTILE,
)


def values(value: Any) -> Iterator[Any]:
    """Yield every value and every key of a document."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from values(part)
    elif isinstance(value, list):
        for part in value:
            yield from values(part)
    else:
        yield value


def event(**changes: Any) -> dict[str, Any]:
    found = samples.user_event("user.updated", ZOFIA)
    found["event_attributes"] = {"http_request": {"client_ip": "198.51.100.23", "user_agent": "Zofiafox/1.0"}}
    found["data"]["unsafe_metadata"] = {"shoe": 42, "mood": "zofiaish"}
    found["data"]["external_accounts"] = [
        {"object": "external_account", "provider": "oauth_google", "email_address": "zofia@gmail.example"}
    ]
    return found | changes


#: Values that all events share, and values that the parser needs.
IMPERSONAL = set(values(samples.user_event("user.updated", person(first_name=None, last_name=None, email=None)))) | {
    *("email_address", "verified", "email_code", "phone_number", "phone_code", "external_account", "oauth_google"),
    *(User.Role.BUILDER, *HOSTILE),
    *("id", "reserved", "verification", "status", "strategy", "attempts", "expire_at", "linked_to", "provider"),
    *("matches_sso_connection", "reserved_for_second_factor", "default_second_factor", "backup_codes", "banned"),
}


def test_no_personal_data_is_left() -> None:
    original = event()
    text = anonymize.make_fixture(json.dumps(original))
    personal = {value for value in values(original) if value not in IMPERSONAL and not isinstance(value, bool)}
    personal |= {"zofia@wasowska.example", 4711}
    personal -= {42, "password"}  # too short to be distinctive, or part of one of Clerk's keys
    assert {
        "Zofia",
        "zofia@gmail.example",
        "+48601234567",
        "198.51.100.23",
        ZOFIA.clerk_id,
        "hunter2hunter2",
    } <= personal
    left = {value for value in personal if str(value).lower() in text.lower()}
    assert left == set()
    words = {word for value in personal for word in str(value).replace("@", " ").split() if len(word) > 3}
    assert {word for word in words if word.lower() in text.lower()} == set()


def test_ids_custom_keys_and_custom_numbers_are_replaced() -> None:
    made = json.loads(anonymize.make_fixture(json.dumps(event())))
    metadata = made["data"]["public_metadata"]
    assert set(metadata) & set(HOSTILE) == {"roles", "hourlyRate", "companyName"}
    assert metadata["roles"][0] == "BUILDER"
    assert metadata["hourlyRate"] != 4711
    assert made["data"]["id"] != ZOFIA.clerk_id
    assert made["instance_id"].startswith("ins_")


def test_structure_is_kept() -> None:
    def shape(value: Any, *, is_free: bool = False) -> Any:
        if isinstance(value, dict):
            parts = [shape(part, is_free=is_free or name.endswith("metadata")) for name, part in value.items()]
            return parts if is_free else list(zip(value, parts, strict=True))
        return [shape(part, is_free=is_free) for part in value] if isinstance(value, list) else type(value)

    original = event()
    made = json.loads(anonymize.make_fixture(json.dumps(original)))
    for document in (original, made):
        document["data"]["public_metadata"] = len(list(values(document["data"]["public_metadata"])))
    assert shape(made) == shape(original)


def test_equal_values_get_equal_replacements() -> None:
    data = json.loads(anonymize.make_fixture(json.dumps(event())))["data"]
    assert data["primary_email_address_id"] == data["email_addresses"][0]["id"]
    deleted = json.loads(anonymize.make_fixture(json.dumps(samples.user_event("user.deleted", ZOFIA))))["data"]
    assert deleted["id"] == data["id"]


def test_times_keep_their_order() -> None:
    first, second = (
        json.loads(anonymize.make_fixture(json.dumps(samples.user_event("user.updated", user))))
        for user in (ZOFIA, ZOFIA.with_changes())
    )
    assert second["timestamp"] - first["timestamp"] == 1000
    assert first["timestamp"] < samples.milliseconds(ZOFIA.updated_at)


@pytest.mark.parametrize("event_type", sorted(samples.examples()))
def test_every_event_type_parses_to_the_same_type(event_type: str) -> None:
    for example in [*samples.examples()[event_type], *(e for e in samples.captured() if e["type"] == event_type)]:
        before, after = parse_event(json.dumps(example)), parse_event(anonymize.make_fixture(json.dumps(example)))
        assert after.type == event_type
        assert type(after.subject) is type(before.subject)
        if isinstance(after.subject, ClerkUser) and isinstance(before.subject, ClerkUser):
            assert after.subject.roles == before.subject.roles
            assert bool(after.subject.email_verified_at) == bool(before.subject.email_verified_at)
            assert bool(after.subject.image_url) == bool(before.subject.image_url)


@pytest.mark.django_db
def test_anonymized_event_can_be_applied(webhook: WebhookClient) -> None:
    text = anonymize.make_fixture(json.dumps(event()))
    assert webhook.post(text).json() == {"outcome": "processed"}
    user = User.objects.get()
    assert user.roles == ["BUILDER"]
    assert user.email
    assert user.email.endswith("@example.com")
    assert user.name
    assert "Zofia" not in user.name


@pytest.mark.parametrize("payload", (None, "", "no JSON", "{" * 100_000, "[" * 100_000, '{"a": ' + "1" * 5000 + "}"))
def test_unusable_payload_raises_fixture_error(payload: str | None) -> None:
    with pytest.raises(FixtureError, match=r"^The payload of this event is not .*\.$"):
        anonymize.make_fixture(payload)


@pytest.mark.parametrize(
    "payload",
    ("[]", '"x"', "12", "null", '{"data": "\\ud800"}', '{"x": 1e400, "y": NaN, "z": -0.5}', '{"x": 1e-7, "y": 1.5e22}'),
)
def test_unusual_json_is_copied(payload: str) -> None:
    anonymize.make_fixture(payload).encode()


def test_payload_of_maximum_size_is_copied() -> None:
    large = event()
    large["data"]["unsafe_metadata"] = {"note": "Zofia " * 80_000}
    text = anonymize.make_fixture(json.dumps(large))
    assert len(text) > 480_000
    assert "Zofia" not in text
