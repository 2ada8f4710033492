"""What Clerk's words mean."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from accounts.clerk import samples
from accounts.clerk.fields import ClerkPayloadError
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


def parsed(**fields: Any) -> ClerkUser:
    """Return Zofia with some fields of her payload replaced."""
    return parse_user(ZOFIA.data() | fields, rank=Rank.UPDATED, occurred_at=NOON)


def parsed_event(envelope: dict[str, Any]) -> ClerkEvent:
    return parse_event(json.dumps(envelope))


def user_event(event_type: str = "user.updated", **envelope: Any) -> ClerkEvent:
    """Return an event about Zofia with some fields of its envelope replaced."""
    return parsed_event(samples.user_event(event_type, ZOFIA) | envelope)


def address(name: str, email: object, **fields: Any) -> dict[str, Any]:
    """Return an entry of email_addresses."""
    verification = {"status": "verified", "strategy": "email_code"}
    return {"id": name, "email_address": email, "verification": verification, "updated_at": NOON_MS, **fields}


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
def test_times_are_read_in_either_unit(value: float, moment: datetime) -> None:
    assert parsed(updated_at=value).updated_at == moment
    assert user_event(timestamp=value).occurred_at == moment


def test_the_examples_in_seconds_and_the_captures_in_milliseconds_are_of_our_days() -> None:
    envelopes = [event for events in samples.examples().values() for event in events] + samples.captured()
    years = {moment.year for event in envelopes if (moment := parsed_event(event).occurred_at)}
    assert years == {2024, 2025}


@pytest.mark.parametrize(
    "value",
    (
        *(None, True, False, "1793620800250", [], {}),
        *(-1, -(10**15), 10**15, 10**18, 10**400, -(10**400), float("nan"), float("inf"), float("-inf"), 1e300),
    ),
)
def test_a_time_that_is_none_is_an_error(value: object) -> None:
    with pytest.raises(ClerkPayloadError, match="updated_at") as caught:
        parsed(updated_at=value)
    assert caught.value.reason == "bad_time"
    with pytest.raises(ClerkPayloadError, match="timestamp"):
        user_event(timestamp=value)


# --- The primary address ---


def test_the_primary_address_is_the_one_that_is_named_and_not_the_first() -> None:
    addresses = [address("idn_1", "first@example.com"), address("idn_2", "Second@Example.COM")]
    user = parsed(email_addresses=addresses, primary_email_address_id="idn_2")
    assert user.email == "second@example.com"
    assert parsed(email_addresses=addresses[::-1], primary_email_address_id="idn_2").email == user.email


@pytest.mark.parametrize(
    ("addresses", "primary"),
    (
        pytest.param([address("idn_1", "a@example.com")], "idn_gone", id="dangling"),
        pytest.param([address("idn_1", "a@example.com")], None, id="none named"),
        pytest.param([address("idn_1", "a@example.com")], "", id="blank"),
        pytest.param([address("", "a@example.com")], "", id="blank and found"),
        pytest.param([address("idn_1", "a@example.com") | {"id": None}], None, id="null and found"),
        pytest.param([], "idn_1", id="no addresses"),
        pytest.param(None, "idn_1", id="addresses null"),
        pytest.param({"idn_1": "a@example.com"}, "idn_1", id="addresses an object"),
        pytest.param(["idn_1", None, 7], "idn_1", id="addresses not objects"),
        pytest.param([address("idn_1", None)], "idn_1", id="address null"),
        pytest.param([address("idn_1", 7)], "idn_1", id="address a number"),
        pytest.param([address("idn_1", "")], "idn_1", id="address blank"),
        pytest.param([address("idn_1", "nobody")], "idn_1", id="no @"),
        pytest.param([address("idn_1", "@example.com")], "idn_1", id="no name"),
        pytest.param([address("idn_1", "a@")], "idn_1", id="no domain"),
        pytest.param([address("idn_1", "a b@example.com")], "idn_1", id="space"),
        pytest.param([address("idn_1", "a\x00b@example.com")], "idn_1", id="NUL"),
        pytest.param([address("idn_1", "a\r\nBcc: b@example.com")], "idn_1", id="line break"),
        pytest.param([address("idn_1", "a" * 250 + "@example.com")], "idn_1", id="too long"),
    ),
)
def test_without_a_usable_primary_address_there_is_none(addresses: object, primary: object) -> None:
    user = parsed(email_addresses=addresses, primary_email_address_id=primary)
    assert (user.email, user.email_verified_at) == (None, None)


@pytest.mark.parametrize(
    "verification",
    (
        pytest.param(None, id="null"),
        pytest.param({}, id="empty"),
        pytest.param("verified", id="string"),
        pytest.param({"status": True}, id="true"),
        *(
            pytest.param({"status": status}, id=status)
            for status in ("unverified", "failed", "expired", "transferable")
        ),
    ),
)
def test_an_address_that_is_not_verified_is_kept_as_such(verification: object) -> None:
    entry = address("idn_1", "a@example.com", verification=verification)
    user = parsed(email_addresses=[entry], primary_email_address_id="idn_1")
    assert (user.email, user.email_verified_at) == ("a@example.com", None)


def test_a_verified_address_is_so_since_it_was_last_touched() -> None:
    earlier = datetime(2026, 1, 1, tzinfo=UTC)
    entry = address("idn_1", "a@example.com", updated_at=samples.milliseconds(earlier))
    assert parsed(email_addresses=[entry], primary_email_address_id="idn_1").email_verified_at == earlier


@pytest.mark.parametrize("value", (None, "now", -1))
def test_a_verified_address_of_no_known_time_is_so_since_the_user_was_updated(value: object) -> None:
    entry = address("idn_1", "a@example.com", updated_at=value)
    assert parsed(email_addresses=[entry], primary_email_address_id="idn_1").email_verified_at == NOON


def test_a_verified_address_that_is_not_the_primary_does_not_count() -> None:
    addresses = [address("idn_1", "a@example.com"), address("idn_2", "b@example.com", verification=None)]
    user = parsed(email_addresses=addresses, primary_email_address_id="idn_2")
    assert (user.email, user.email_verified_at) == ("b@example.com", None)


def test_people_with_a_phone_only_have_no_address() -> None:
    phone_only = replace(ZOFIA, email=None, phone="+48600100200")
    user = parse_user(phone_only.data(), rank=Rank.CREATED, occurred_at=NOON)
    assert (user.email, user.email_verified_at, user.name) == (None, None, "Zofia Wąs")


# --- Names, picture, flags, roles ---


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
        pytest.param(7, ["x"], "", id="wrong types"),
    ),
)
def test_the_name_is_first_and_last_name(first: object, last: object, name: str) -> None:
    assert parsed(first_name=first, last_name=last).name == name


def test_a_user_without_names_and_address_is_whole() -> None:
    nobody = dict.fromkeys(("first_name", "last_name", "username", "primary_email_address_id"))
    user = parsed(**nobody, email_addresses=[], phone_numbers=[])
    assert (user.name, user.username, user.email) == ("", "", None)


def test_a_user_of_two_fields_is_whole() -> None:
    user = parse_user({"id": "user_2abc", "updated_at": NOON_MS}, rank=Rank.FETCHED, occurred_at=NOON)
    assert (user.clerk_id, user.updated_at, user.banned, user.roles) == ("user_2abc", NOON, False, None)


PICTURE = "https://img.clerk.com/abc"


@pytest.mark.parametrize(
    ("fields", "image_url"),
    (
        pytest.param({"has_image": True, "image_url": PICTURE}, PICTURE, id="own"),
        pytest.param({"has_image": False, "image_url": PICTURE}, "", id="drawn by Clerk"),
        pytest.param({"has_image": True, "image_url": None}, "", id="null"),
        pytest.param({"has_image": True, "image_url": 7}, "", id="number"),
        pytest.param({"has_image": True, "image_url": "http://img.clerk.com/abc"}, "", id="not HTTPS"),
        pytest.param({"has_image": True, "image_url": "javascript:alert(1)"}, "", id="script"),
        pytest.param({"has_image": True, "image_url": PICTURE + " onload=x"}, "", id="space"),
        pytest.param({"has_image": True, "image_url": PICTURE + "\x00"}, "", id="NUL"),
        pytest.param({"has_image": True, "image_url": PICTURE + "é"}, "", id="not ASCII"),
        pytest.param({"has_image": True, "image_url": PICTURE + "x" * 2000}, "", id="too long"),
    ),
)
def test_only_a_picture_of_their_own_is_kept(fields: dict[str, Any], image_url: str) -> None:
    assert parsed(**fields).image_url == image_url


@pytest.mark.parametrize(
    ("fields", "banned"),
    (
        pytest.param({"banned": True, "locked": False}, True, id="banned"),
        pytest.param({"banned": False, "locked": True, "lockout_expires_in_seconds": 3600}, False, id="locked"),
        pytest.param({"banned": True, "locked": True}, True, id="both"),
        pytest.param({"banned": None}, False, id="null"),
        pytest.param({"banned": "true"}, False, id="string"),
    ),
)
def test_locked_is_not_banned(fields: dict[str, Any], *, banned: bool) -> None:
    assert parsed(**fields).banned is banned


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
def test_only_a_list_says_something_of_roles(metadata: object, roles: list[User.Role] | None) -> None:
    assert parsed(public_metadata=metadata).roles == roles


def test_what_people_can_write_themselves_gives_no_role() -> None:
    ours = {"roles": ["ADMIN"]}
    assert parsed(public_metadata={}, unsafe_metadata=ours, private_metadata=ours).roles is None


# --- Events ---


def test_the_envelope_tells_who_acted() -> None:
    event = parsed_event(
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
def test_nobody_may_have_acted(attributes: object) -> None:
    event = user_event(event_attributes=attributes)
    assert (event.ip_address, event.user_agent) == (None, None)


def test_a_deletion_names_the_user_and_the_time() -> None:
    assert user_event("user.deleted").subject == ClerkUserDeleted(ZOFIA.clerk_id, NOON)


@pytest.mark.parametrize("data", ({}, {"id": None}, {"deleted": True, "object": "user"}))
def test_a_deletion_may_come_without_id(data: dict[str, Any]) -> None:
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
def test_an_unknown_event_may_mention_a_user(data: object, user: str | None) -> None:
    event = user_event("user.updated", type="session.levitated", data=data)
    assert event.subject == UnknownEvent(user)


def test_an_unknown_event_needs_no_time() -> None:
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
def test_each_error_has_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ClerkPayloadError) as caught:
        parse_event(text)
    assert caught.value.reason == reason


# --- Versions ---


def version(user: SampleUser = ZOFIA, rank: Rank = Rank.UPDATED, occurred_at: datetime = NOON, **fields: Any) -> str:
    return parse_user(user.data() | fields, rank=rank, occurred_at=occurred_at).version


def test_versions_sort_by_update_then_rank_then_event_time() -> None:
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


def test_versions_tell_contents_apart_and_nothing_else() -> None:
    assert version(first_name="Zosia") != version(first_name="Zofia")
    shuffled = dict(reversed(ZOFIA.data().items()))
    assert parse_user(shuffled, rank=Rank.UPDATED, occurred_at=NOON).version == version()


def test_versions_fit_their_column() -> None:
    far = datetime(9999, 12, 31, tzinfo=UTC)
    assert len(version(replace(ZOFIA, updated_at=far), occurred_at=far)) == len(version()) <= 128
