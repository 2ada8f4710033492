"""Parsing Clerk's users and events."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from accounts.clerk import samples
from accounts.clerk.fields import ClerkPayloadError, normalize_email
from accounts.clerk.payloads import (
    ClerkEvent,
    ClerkUser,
    ClerkUserDeleted,
    Rank,
    UnknownEvent,
    parse_event,
    parse_user,
)
from accounts.clerk.samples import SampleUser
from accounts.models import User

NOON = datetime(2026, 11, 2, 12, 0, 0, 250_000, tzinfo=UTC)
NOON_MS = 1_793_620_800_250
ZOFIA = SampleUser.generate(Random(1), updated_at=NOON, first_name="Zofia", last_name="Wąs", email="zofia@example.com")


def parse_user_with(**fields: Any) -> ClerkUser:
    """Parse Zofia's user object with some fields replaced."""
    return parse_user(ZOFIA.data() | fields, rank=Rank.UPDATED, occurred_at=NOON)


def parse_event_with(envelope: dict[str, Any]) -> ClerkEvent:
    return parse_event(json.dumps(envelope))


def user_event(event_type: str = "user.updated", **envelope: Any) -> ClerkEvent:
    """Parse an event about Zofia with some envelope fields replaced."""
    return parse_event_with(samples.user_event(event_type, ZOFIA) | envelope)


def email_entry(entry_id: str, email: object, **fields: Any) -> dict[str, Any]:
    verification = {"status": "verified", "strategy": "email_code"}
    return {"id": entry_id, "email_address": email, "verification": verification, "updated_at": NOON_MS, **fields}


# --- Units ---


@pytest.mark.parametrize(
    ("value", "moment"),
    (
        pytest.param(NOON_MS, NOON, id="ms"),
        pytest.param(float(NOON_MS), NOON, id="ms as a float"),
        pytest.param(1_793_620_800, NOON.replace(microsecond=0), id="s"),
        pytest.param(1_793_620_800.25, NOON, id="s with a fraction"),
        pytest.param(0, datetime(1970, 1, 1, tzinfo=UTC), id="epoch"),
        pytest.param(99_999_999_999, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC), id="last in s"),
        pytest.param(100_000_000_000, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC), id="first in ms"),
    ),
)
def test_times_are_parsed_in_seconds_and_milliseconds(value: float, moment: datetime) -> None:
    assert parse_user_with(updated_at=value).updated_at == moment
    assert user_event(timestamp=value).occurred_at == moment


def test_times_of_all_samples_are_in_plausible_years() -> None:
    envelopes = [event for events in samples.examples().values() for event in events] + samples.captured()
    years = {moment.year for event in envelopes if (moment := parse_event_with(event).occurred_at)}
    assert years == {2024, 2025}


@pytest.mark.parametrize(
    "value",
    (
        *(None, True, False, "1793620800250", [], {}),
        *(-1, -(10**15), 10**15, 10**18, 10**400, -(10**400), float("nan"), float("inf"), float("-inf"), 1e300),
    ),
)
def test_invalid_time_is_rejected(value: object) -> None:
    with pytest.raises(ClerkPayloadError, match="updated_at") as caught:
        parse_user_with(updated_at=value)
    assert caught.value.reason == "bad_time"
    if value is not None:  # The envelope's time is optional.
        with pytest.raises(ClerkPayloadError, match="timestamp"):
            user_event(timestamp=value)


# --- The primary email ---


def test_primary_email_is_found_by_id_and_not_by_position() -> None:
    entries = [email_entry("idn_1", "first@example.com"), email_entry("idn_2", "Second@Example.COM")]
    user = parse_user_with(email_addresses=entries, primary_email_address_id="idn_2")
    assert user.email == "second@example.com"
    assert parse_user_with(email_addresses=entries[::-1], primary_email_address_id="idn_2").email == user.email


@pytest.mark.parametrize(
    ("entries", "primary"),
    (
        pytest.param([email_entry("idn_1", "a@example.com")], "idn_gone", id="dangling"),
        pytest.param([email_entry("idn_1", "a@example.com")], None, id="no primary id"),
        pytest.param([email_entry("idn_1", "a@example.com")], "", id="blank"),
        pytest.param([email_entry("", "a@example.com")], "", id="blank id in both"),
        pytest.param([email_entry("idn_1", "a@example.com") | {"id": None}], None, id="null id in both"),
        pytest.param([], "idn_1", id="no emails"),
        pytest.param(None, "idn_1", id="emails null"),
        pytest.param([email_entry("idn_1", None)], "idn_1", id="email null"),
        pytest.param([email_entry("idn_1", "")], "idn_1", id="email blank"),
        pytest.param([email_entry("idn_1", "olive")], "idn_1", id="no @"),
        pytest.param([email_entry("idn_1", "@example.com")], "idn_1", id="no local part"),
        pytest.param([email_entry("idn_1", "a@")], "idn_1", id="no domain"),
        pytest.param([email_entry("idn_1", "a b@example.com")], "idn_1", id="space"),
        pytest.param([email_entry("idn_1", "a\x00b@example.com")], "idn_1", id="NUL"),
        pytest.param([email_entry("idn_1", "a\u200bb@example.com")], "idn_1", id="zero-width space"),
        pytest.param([email_entry("idn_1", "\u200ea@example.com")], "idn_1", id="leading direction mark"),
        pytest.param([email_entry("idn_1", "a@example.com\ufeff")], "idn_1", id="trailing byte order mark"),
        pytest.param([email_entry("idn_1", "a@example.com\x00")], "idn_1", id="trailing NUL"),
        pytest.param([email_entry("idn_1", "\u212aelvin@example.com")], "idn_1", id="Kelvin sign"),
        pytest.param([email_entry("idn_1", "a\u1fefb@example.com")], "idn_1", id="Greek varia"),
        pytest.param([email_entry("idn_1", "a\r\nBcc: b@example.com")], "idn_1", id="line break"),
        pytest.param([email_entry("idn_1", "a" * 250 + "@example.com")], "idn_1", id="too long"),
    ),
)
def test_invalid_primary_email_becomes_none(entries: object, primary: object) -> None:
    user = parse_user_with(email_addresses=entries, primary_email_address_id=primary)
    assert (user.email, user.email_verified_at) == (None, None)


@pytest.mark.parametrize(
    "verification",
    (
        pytest.param(None, id="null"),
        *(
            pytest.param({"status": status}, id=status)
            for status in ("unverified", "failed", "expired", "transferable")
        ),
    ),
)
def test_unverified_email_has_no_verification_time(verification: object) -> None:
    entry = email_entry("idn_1", "a@example.com", verification=verification)
    user = parse_user_with(email_addresses=[entry], primary_email_address_id="idn_1")
    assert (user.email, user.email_verified_at) == ("a@example.com", None)


def test_verification_time_is_the_update_time_of_the_email() -> None:
    earlier = datetime(2026, 1, 1, tzinfo=UTC)
    entry = email_entry("idn_1", "a@example.com", updated_at=samples.milliseconds(earlier))
    assert parse_user_with(email_addresses=[entry], primary_email_address_id="idn_1").email_verified_at == earlier


def test_verification_time_falls_back_to_the_update_time_of_the_user() -> None:
    entry = email_entry("idn_1", "a@example.com", updated_at=None)
    assert parse_user_with(email_addresses=[entry], primary_email_address_id="idn_1").email_verified_at == NOON


def test_verified_secondary_email_does_not_verify_the_primary() -> None:
    entries = [email_entry("idn_1", "a@example.com"), email_entry("idn_2", "b@example.com", verification=None)]
    user = parse_user_with(email_addresses=entries, primary_email_address_id="idn_2")
    assert (user.email, user.email_verified_at) == ("b@example.com", None)


def test_user_with_phone_only_has_no_email() -> None:
    phone_only = replace(ZOFIA, email=None, phone="+48600100200")
    user = parse_user(phone_only.data(), rank=Rank.CREATED, occurred_at=NOON)
    assert (user.email, user.email_verified_at, user.name) == (None, None, "Zofia Wąs")


@pytest.mark.parametrize(
    ("fields", "error"),
    (
        pytest.param(
            {"email_addresses": {"idn_1": "a@example.com"}}, "data.email_addresses is not a list", id="emails"
        ),
        pytest.param({"email_addresses": ["idn_1"]}, "data.email_addresses[] is not an object", id="entry"),
        pytest.param({"email_addresses": [email_entry("idn_1", 7)]}, "email_address is not a string", id="email"),
        pytest.param(
            {"email_addresses": [email_entry("idn_1", "a@example.com", verification="verified")]},
            "data.email_addresses[].verification is not an object",
            id="verification",
        ),
        pytest.param(
            {"email_addresses": [email_entry("idn_1", "a@example.com", verification={"status": True})]},
            "data.email_addresses[].verification.status is not a string",
            id="status",
        ),
        pytest.param(
            {"email_addresses": [email_entry("idn_1", "a@example.com", updated_at=-1)]},
            "data.email_addresses[].updated_at is out of range",
            id="time of the email",
        ),
        pytest.param({"first_name": 7}, "data.first_name is not a string", id="first name"),
        pytest.param({"last_name": ["x"]}, "data.last_name is not a string", id="last name"),
        pytest.param({"username": {}}, "data.username is not a string", id="username"),
        pytest.param({"has_image": True, "image_url": 7}, "data.image_url is not a string", id="image"),
        pytest.param({"has_image": "yes"}, "data.has_image is not true or false", id="has image"),
        pytest.param({"banned": "true"}, "data.banned is not true or false", id="banned"),
        pytest.param({"locked": 1}, "data.locked is not true or false", id="locked"),
        pytest.param({"public_metadata": ["ADMIN"]}, "data.public_metadata is not an object", id="metadata"),
        pytest.param({"created_at": "now"}, "data.created_at is not a number", id="sign-up time"),
    ),
)
def test_value_of_a_wrong_type_is_rejected_with_the_name_of_the_field(fields: dict[str, Any], error: str) -> None:
    with pytest.raises(ClerkPayloadError) as caught:
        parse_user_with(**{"primary_email_address_id": "idn_1"} | fields)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("key", "attributes"),
    (
        ("first_name", {"name"}),
        ("last_name", {"name"}),
        ("username", {"username"}),
        ("email_addresses", {"email", "email_verified_at"}),
        ("primary_email_address_id", {"email", "email_verified_at"}),
        ("has_image", {"image_url"}),
        ("image_url", {"image_url"}),
        ("banned", {"banned"}),
        ("locked", {"locked"}),
        ("public_metadata", {"roles", "other_roles", "metadata"}),
        ("created_at", {"created_at"}),
    ),
)
def test_missing_key_marks_its_attributes_as_missing(key: str, attributes: set[str]) -> None:
    full = replace(ZOFIA, public_metadata={"roles": []}).data()
    complete = parse_user(full, rank=Rank.UPDATED, occurred_at=NOON)
    del full[key]
    partial = parse_user(full, rank=Rank.UPDATED, occurred_at=NOON)
    assert not complete.missing
    assert partial.missing == attributes


def test_email_without_a_verification_is_missing() -> None:
    entry = email_entry("idn_1", "a@example.com", verification={})
    assert "email" in parse_user_with(email_addresses=[entry], primary_email_address_id="idn_1").missing


# --- Names, image, flags, roles ---


@pytest.mark.parametrize(
    ("first", "last", "name"),
    (
        pytest.param("Zofia", "Wąs", "Zofia Wąs", id="both"),
        pytest.param("Zofia", None, "Zofia", id="first"),
        pytest.param(None, "Wąs", "Wąs", id="last"),
        pytest.param(None, None, "", id="null"),
        pytest.param("", "  ", "", id="blank"),
        pytest.param(" Zofia ", " Wąs ", "Zofia Wąs", id="spaces"),
        pytest.param("Anna  Maria", "de\nla Cruz", "Anna Maria de la Cruz", id="spaces inside"),
        pytest.param("Wa\u0328s", None, "W\u0105s", id="decomposed"),
    ),
)
def test_name_joins_first_and_last_name(first: object, last: object, name: str) -> None:
    assert parse_user_with(first_name=first, last_name=last).name == name


def test_user_without_names_and_email_is_valid() -> None:
    empty = dict.fromkeys(("first_name", "last_name", "username", "primary_email_address_id"))
    user = parse_user_with(**empty, email_addresses=[], phone_numbers=[])
    assert (user.name, user.username, user.email) == ("", "", None)


def test_user_with_only_required_fields_is_valid() -> None:
    user = parse_user({"id": "user_2abc", "updated_at": NOON_MS}, rank=Rank.FETCHED, occurred_at=NOON)
    assert (user.clerk_id, user.updated_at, user.banned, user.roles) == ("user_2abc", NOON, False, None)


IMAGE = "https://img.clerk.com/abc"


@pytest.mark.parametrize(
    ("fields", "image_url"),
    (
        pytest.param({"has_image": True, "image_url": IMAGE}, IMAGE, id="uploaded"),
        pytest.param({"has_image": False, "image_url": IMAGE}, "", id="generated by Clerk"),
        pytest.param({"has_image": True, "image_url": None}, "", id="null"),
        pytest.param({"has_image": True, "image_url": "http://img.clerk.com/abc"}, "", id="not HTTPS"),
        pytest.param({"has_image": True, "image_url": "javascript:alert(1)"}, "", id="script"),
        pytest.param({"has_image": True, "image_url": IMAGE + " onload=x"}, "", id="space"),
        pytest.param({"has_image": True, "image_url": IMAGE + "\x00"}, "", id="NUL"),
        pytest.param({"has_image": True, "image_url": IMAGE + "é"}, "", id="not ASCII"),
        pytest.param({"has_image": True, "image_url": IMAGE + "x" * 2000}, "", id="too long"),
    ),
)
def test_only_an_uploaded_image_is_kept(fields: dict[str, Any], image_url: str) -> None:
    assert parse_user_with(**fields).image_url == image_url


@pytest.mark.parametrize(
    ("fields", "banned"),
    (
        pytest.param({"banned": True, "locked": False}, True, id="banned"),
        pytest.param({"banned": False, "locked": True, "lockout_expires_in_seconds": 3600}, False, id="locked"),
        pytest.param({"banned": True, "locked": True}, True, id="both"),
        pytest.param({"banned": None}, False, id="null"),
    ),
)
def test_locked_user_is_not_banned(fields: dict[str, Any], *, banned: bool) -> None:
    assert parse_user_with(**fields).banned is banned


@pytest.mark.parametrize(
    ("metadata", "roles"),
    (
        pytest.param({"roles": ["builder", "CLIENT"]}, [User.Role.CLIENT, User.Role.BUILDER], id="any case and order"),
        pytest.param({"roles": []}, [], id="empty"),
        pytest.param({"roles": ["WIZARD", 7, None]}, [], id="unknown"),
        pytest.param({"roles": "BUILDER"}, None, id="string"),
        pytest.param({"roles": None}, None, id="null"),
        pytest.param({}, None, id="no key"),
        pytest.param(None, None, id="metadata null"),
    ),
)
def test_roles_are_read_from_a_list_only(metadata: object, roles: list[User.Role] | None) -> None:
    assert parse_user_with(public_metadata=metadata).roles == roles


def test_only_public_metadata_grants_roles() -> None:
    metadata = {"roles": ["ADMIN"]}
    assert parse_user_with(public_metadata={}, unsafe_metadata=metadata, private_metadata=metadata).roles is None


# --- Events ---


def test_event_has_the_acting_users_ip_address_and_user_agent() -> None:
    event = parse_event_with(
        samples.event(
            "user.updated", ZOFIA.data(), occurred_at=NOON, client_ip="2001:DB8:0::7", user_agent="Firefox\n1"
        )
    )
    assert (event.ip_address, event.user_agent) == ("2001:db8::7", "Firefox 1")
    assert (event.occurred_at, event.instance_id) == (NOON, samples.INSTANCE_ID)


@pytest.mark.parametrize(
    "attributes",
    (
        *(None, [], "x", {}, {"http_request": None}, {"http_request": {}}),
        {"http_request": {"client_ip": "unknown", "user_agent": ""}},
        {"http_request": {"client_ip": None, "user_agent": None}},
    ),
)
def test_event_without_request_attributes_is_valid(attributes: object) -> None:
    event = user_event(event_attributes=attributes)
    assert (event.ip_address, event.user_agent) == (None, None)


def test_deletion_has_user_id_and_time() -> None:
    assert user_event("user.deleted").subject == ClerkUserDeleted(ZOFIA.clerk_id, NOON)


@pytest.mark.parametrize("data", ({}, {"id": None}, {"deleted": True, "object": "user"}))
def test_deletion_without_id_is_valid(data: dict[str, Any]) -> None:
    assert user_event("user.deleted", data=data).subject == ClerkUserDeleted(None, NOON)


@pytest.mark.parametrize(
    ("data", "user"),
    (
        pytest.param({"user_id": "user_2abc", "id": "sess_1"}, "user_2abc", id="user_id"),
        pytest.param({"id": "user_2abc"}, "user_2abc", id="id"),
        pytest.param({"user_id": None, "id": "sess_1"}, None, id="neither"),
        pytest.param({"user_id": "user_\x00"}, None, id="hostile"),
        pytest.param([], None, id="list"),
    ),
)
def test_user_id_of_unknown_event_is_read(data: object, user: str | None) -> None:
    event = user_event("user.updated", type="session.levitated", data=data)
    assert event.subject == UnknownEvent(user)


def test_composed_and_decomposed_letters_of_an_email_are_equal() -> None:
    assert (
        normalize_email(" Jose\u0301@Example.com ") == normalize_email("jos\xe9@example.com") == "jos\xe9@example.com"
    )


def test_unknown_event_without_time_is_valid() -> None:
    assert user_event(type="session.levitated", timestamp="now").occurred_at is None


@pytest.mark.parametrize(
    ("text", "reason"),
    (
        pytest.param("", "not_json", id="empty"),
        pytest.param("[" * 20_000, "not_json", id="deep"),
        pytest.param("9" * 5000, "not_json", id="long number"),
        pytest.param("[]", "not_an_object", id="list"),
        pytest.param("{}", "no_type", id="no type"),
        pytest.param('{"type": "user.created", "timestamp": 1}', "user_not_an_object", id="no data"),
        pytest.param('{"type": "user.deleted", "timestamp": 1}', "user_not_an_object", id="no data of a deletion"),
        pytest.param('{"type": "user.deleted", "timestamp": 1, "data": {"id": 7}}', "user_without_id", id="bad id"),
    ),
)
def test_invalid_event_is_rejected_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ClerkPayloadError) as caught:
        parse_event(text)
    assert caught.value.reason == reason


# --- Versions ---


def version(user: SampleUser = ZOFIA, rank: Rank = Rank.UPDATED, occurred_at: datetime = NOON, **fields: Any) -> str:
    return parse_user(user.data() | fields, rank=rank, occurred_at=occurred_at).version


def test_versions_sort_by_update_time_then_rank_then_event_time() -> None:
    later, latest = NOON.replace(microsecond=251_000), NOON.replace(year=2286)
    ordered = [
        version(replace(ZOFIA, updated_at=datetime(2001, 9, 9, 1, 46, 39, tzinfo=UTC)), Rank.FETCHED, latest),
        version(rank=Rank.CREATED, occurred_at=latest),
        version(rank=Rank.UPDATED),
        version(rank=Rank.UPDATED, occurred_at=later),
        version(rank=Rank.FETCHED),
        version(replace(ZOFIA, updated_at=later), Rank.CREATED),
        version(replace(ZOFIA, updated_at=latest), Rank.CREATED),
    ]
    assert all(older < newer for older, newer in pairwise(ordered))


def test_version_depends_on_content_and_not_on_key_order() -> None:
    assert version(first_name="Zosia") != version(first_name="Zofia")
    shuffled = dict(reversed(ZOFIA.data().items()))
    assert parse_user(shuffled, rank=Rank.UPDATED, occurred_at=NOON).version == version()


def test_versions_fit_their_column() -> None:
    far = datetime(9999, 12, 31, tzinfo=UTC)
    assert len(version(replace(ZOFIA, updated_at=far), occurred_at=far)) == len(version()) <= 128
