"""Storing and applying deliveries."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
import time_machine
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.clerk import payloads, samples
from accounts.models import EndedSession, User
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.webhooks import WebhookClient, person
from tests.settings import SECRET
from webhooks.inbox import service as inbox
from webhooks.inbox import signatures
from webhooks.inbox.handlers import HANDLERS
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

State, ErrorClass = WebhookEvent.State, WebhookEvent.ErrorClass

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
EARLIER = datetime(2026, 11, 2, 9, 29, 58, 250_000, tzinfo=UTC)
DEEP = "[" * 20_000 + "]" * 20_000


def stored_fields(event: WebhookEvent) -> dict[str, Any]:
    return dict(WebhookEvent.objects.values().get(pk=event.pk))


# --- The stored row ---


def test_event_row_stores_all_details_of_the_delivery(webhook: WebhookClient) -> None:
    zofia = person(updated_at=EARLIER)
    envelope = samples.user_event("user.created", zofia)
    # The body is neither compact nor sorted, to test that the signed text is stored unchanged.
    body = json.dumps(envelope, ensure_ascii=False, indent=3) + "\r\n"
    with time_machine.travel(NOW, tick=False):
        forwarded = {"x-forwarded-for": "198.51.100.1"}
        response = webhook.post(body, svix_id="msg_1", headers=forwarded, REMOTE_ADDR="44.228.126.217")
    assert response.json() == {"outcome": "processed"}
    row = stored_fields(WebhookEvent.objects.get())
    del row["id"], row["changed_in"]
    assert timedelta() < row.pop("duration") < timedelta(seconds=10)
    assert row == {
        "svix_id": "msg_1",
        "event_type": "user.created",
        "payload": body,
        "state": "processed",
        "attempts": 1,
        "deliveries": 1,
        "last_error": "",
        "error_class": "",
        "error_group_id": None,
        "occurred_at": EARLIER,
        "received_at": NOW,
        "last_delivery_at": NOW,
        "processed_at": NOW,
        "next_attempt_at": None,
        "clerk_user_id": zofia.clerk_id,
        "instance_id": samples.INSTANCE_ID,
        "source_address": "44.228.126.217",
        "headers": {
            "User-Agent": "Svix-Webhooks/1.60 (sender-test)",
            "Content-Type": "application/json",
            "Content-Length": str(len(body.encode())),
            "Svix-Timestamp": str(int(NOW.timestamp())),
            "X-Forwarded-For": "198.51.100.1",
        },
        "secret_fingerprint": signatures.fingerprint(SECRET),
    }


def test_signatures_and_cookies_are_not_stored(webhook: WebhookClient) -> None:
    webhook.post("{}", headers={"cookie": "sessionid=stolen", "authorization": "Bearer stolen"})
    stored = json.dumps(stored_fields(WebhookEvent.objects.get()), default=str)
    assert "v1," not in stored
    assert "stolen" not in stored


def test_long_headers_are_truncated(webhook: WebhookClient) -> None:
    webhook.post("{}", headers={"user-agent": "x" * 100_000})
    assert WebhookEvent.objects.get().headers["User-Agent"] == "x" * 500


def test_audit_rows_contain_the_delivery_and_the_acting_user_instead_of_svix(webhook: WebhookClient) -> None:
    envelope = samples.event(
        "user.created", person().data(), occurred_at=NOW, client_ip="2001:db8::7", user_agent="Firefox"
    )
    webhook.post(envelope, svix_id="msg_1", REMOTE_ADDR="44.228.126.217")
    rows = AuditLog.objects.values_list("delivery", "ip_address", "user_agent", "source").distinct()
    assert list(rows.order_by()) == [("msg_1", "2001:db8::7", "Firefox", "webhook")]


# --- Repeats ---


@pytest.mark.parametrize(
    ("body", "state"),
    (
        pytest.param(samples.user_event("user.created", person()), State.PROCESSED, id="processed"),
        pytest.param({"type": "role.created", "timestamp": 1}, State.IGNORED, id="ignored"),
    ),
)
def test_duplicate_is_counted_and_changes_nothing_else(
    webhook: WebhookClient, body: dict[str, Any], state: WebhookEvent.State
) -> None:
    with time_machine.travel(NOW, tick=False):
        webhook.post(body, svix_id="msg_1")
    before = stored_fields(WebhookEvent.objects.get())
    effects = User.objects.count(), AuditLog.objects.count()
    for number in (1, 2):
        later = NOW + timedelta(hours=number)
        with time_machine.travel(later, tick=False):
            response = webhook.post(body, svix_id="msg_1", REMOTE_ADDR="203.0.113.9")
        assert (response.status_code, response.json()) == (200, {"outcome": "duplicate"})
        counted = {"deliveries": 1 + number, "last_delivery_at": later}
        assert stored_fields(WebhookEvent.objects.get()) == before | counted
    assert before["state"] == state
    assert (User.objects.count(), AuditLog.objects.count()) == effects


def test_stale_event_is_settled(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.updated(zofia.with_changes())
    assert webhook.created(zofia, svix_id="msg_late") == "stale"
    assert webhook.created(zofia, svix_id="msg_late") == "duplicate"
    assert WebhookEvent.objects.get(svix_id="msg_late").state == State.STALE


def test_only_the_first_body_of_an_id_is_applied(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia")
    webhook.created(zofia, svix_id="msg_1")
    assert webhook.updated(zofia.with_changes(first_name="Zosia"), svix_id="msg_1") == "duplicate"
    assert User.objects.get().name.startswith("Zofia")
    assert WebhookEvent.objects.get().event_type == "user.created"


# --- Real events ---

REAL_EVENTS = [
    *(pytest.param(event, id=event_type) for event_type, events in samples.examples().items() for event in events),
    *(pytest.param(event, id=f"captured {event['type']}") for event in samples.captured()),
]


@pytest.mark.parametrize("envelope", REAL_EVENTS)
def test_every_clerk_event_is_accepted(webhook: WebhookClient, envelope: dict[str, Any]) -> None:
    response = webhook.post(envelope)
    is_handled = envelope["type"] in HANDLERS and envelope["type"] != "session.created"  # an old one without its user
    assert (response.status_code, response.json()) == (200, {"outcome": "processed" if is_handled else "ignored"})
    event = WebhookEvent.objects.get()
    assert (event.event_type, event.instance_id) == (envelope["type"], envelope["instance_id"])
    assert event.occurred_at is not None
    joins = envelope["type"] in ("organizationMembership.created", "organizationMembership.updated")
    assert User.objects.count() == (joins or envelope["type"].startswith("user."))


def test_all_45_event_types_have_an_example() -> None:
    assert len(samples.examples()) == 45


@pytest.mark.parametrize(
    "body",
    (
        pytest.param({"type": "user.levitated", "data": {"id": "user_1"}, "timestamp": 1748751899130}, id="whole"),
        pytest.param({"type": "user.levitated"}, id="type only"),
        pytest.param({"type": "user.levitated", "data": [1], "timestamp": "now", "instance_id": 7}, id="wrong shapes"),
        pytest.param({"type": "USER.CREATED", "data": {}}, id="known type in another case"),
        pytest.param({"type": "x" * 10_000}, id="long"),
        pytest.param({"type": "x\x00\u202ey"}, id="hostile"),
        pytest.param({"type": "user.levitated", "timestamp": 10**400}, id="enormous time"),
    ),
)
def test_unknown_type_is_ignored(webhook: WebhookClient, body: dict[str, Any]) -> None:
    assert webhook.post(body).json() == {"outcome": "ignored"}
    event = WebhookEvent.objects.get()
    assert (event.state, event.error_class) == (State.IGNORED, "")
    assert event.payload == samples.encode(body).replace("\x00", "\ufffd")
    assert not User.objects.exists()


@pytest.mark.parametrize("event_type", ("email.created", "sms.created"))
@pytest.mark.parametrize(
    "envelope",
    (
        pytest.param({"timestamp": 1748751899130, "instance_id": "ins_1"}, id="whole"),
        pytest.param({}, id="without time"),
        pytest.param({"timestamp": 10**400}, id="enormous time"),
        pytest.param({"timestamp": None, "event_attributes": 7}, id="wrong shapes"),
    ),
)
def test_bodies_with_one_time_codes_are_not_stored(
    webhook: WebhookClient, event_type: str, envelope: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    body = {"type": event_type, "data": {"body": "Your code is 424242", "otp_code": "424242"}, **envelope}
    assert webhook.post(body, svix_id="msg_1").json() == {"outcome": "ignored"}
    assert WebhookEvent.objects.get().payload is None
    assert webhook.post(body, svix_id="msg_1").json() == {"outcome": "duplicate"}
    event = stored_fields(WebhookEvent.objects.get())
    assert event["payload"] is None
    assert "424242" not in json.dumps(event, default=str) + caplog.text


@pytest.mark.parametrize("instance", ("ins_other", "", None, 7), ids=("other", "blank", "null", "number"))
def test_event_of_another_instance_is_ignored(webhook: WebhookClient, settings: Settings, instance: object) -> None:
    settings.CLERK_INSTANCE_ID = samples.INSTANCE_ID
    body = samples.user_event("user.created", person()) | {"instance_id": instance}
    assert webhook.post(body).json() == {"outcome": "ignored"}
    event = WebhookEvent.objects.get()
    assert "another Clerk instance" in event.last_error
    assert event.payload == samples.encode(body)
    assert not User.objects.exists()


def test_event_of_the_configured_instance_is_processed(webhook: WebhookClient, settings: Settings) -> None:
    settings.CLERK_INSTANCE_ID = samples.INSTANCE_ID
    assert webhook.created(person()) == "processed"


# --- Verified but invalid bodies ---


def user_created(**replaced: str) -> str:
    """Return a user.created body with fields replaced by raw JSON. `data__x` replaces a field of `data`."""
    data = {"id": '"user_2abc"', "updated_at": "1748751899130", "first_name": '"Mallory"'}
    data |= {name[6:]: value for name, value in replaced.items() if name.startswith("data__")}
    envelope = {"type": '"user.created"', "timestamp": "1748751899130", "data": json_object(data)}
    return json_object(envelope | {name: value for name, value in replaced.items() if not name.startswith("data__")})


def json_object(members: dict[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"


def test_template_of_the_invalid_bodies_is_valid(webhook: WebhookClient) -> None:
    assert webhook.post(user_created()).json() == {"outcome": "processed"}


@pytest.mark.parametrize(
    "body",
    (
        pytest.param("", id="empty"),
        pytest.param(" \n ", id="blank"),
        pytest.param("hello", id="word"),
        pytest.param("<xml/>", id="XML"),
        pytest.param(user_created()[:-1], id="cut short"),
        pytest.param("\ufeff" + user_created(), id="byte order mark"),
        pytest.param("[]", id="list"),
        pytest.param(f"[{user_created()}]", id="event in a list"),
        pytest.param("null", id="null"),
        pytest.param("true", id="true"),
        pytest.param("7", id="number"),
        pytest.param('"user.created"', id="string"),
        pytest.param("{}", id="no type"),
        pytest.param('{"type":null}', id="type null"),
        pytest.param('{"type":7}', id="type a number"),
        pytest.param('{"type":["user.created"]}', id="type a list"),
        pytest.param('{"type":""}', id="type blank"),
        pytest.param('{"type":"\\u0000"}', id="type NUL"),
        pytest.param(DEEP, id="20,000 levels"),
        pytest.param('{"a":' * 20_000 + "1" + "}" * 20_000, id="20,000 objects"),
        pytest.param("[" * 400_000, id="400 kB of brackets"),
        pytest.param("x" * 400_000, id="400 kB of words"),
        pytest.param("9" * 400_000, id="400 kB of digits"),
        pytest.param("9" * 5000, id="5,000 digits"),
        pytest.param("\x00", id="NUL"),
        pytest.param(user_created() + "\x00", id="NUL at the end"),
        pytest.param(user_created(data__first_name='"\x00"'), id="NUL in a name, not escaped"),
        pytest.param(user_created(data="null"), id="data null"),
        pytest.param(user_created(data="[]"), id="data a list"),
        pytest.param(user_created(data='"user_2abc"'), id="data a string"),
        pytest.param(user_created(data="{}"), id="data empty"),
        pytest.param(user_created(data__id="null"), id="id null"),
        pytest.param(user_created(data__id='""'), id="id blank"),
        pytest.param(user_created(data__id="7"), id="id a number"),
        pytest.param(user_created(data__id='["user_2abc"]'), id="id a list"),
        pytest.param(user_created(data__id='"org_2abc"'), id="id of another object"),
        pytest.param(user_created(data__id='"user_"'), id="id without key"),
        pytest.param(user_created(data__id='"user_\\u0000"'), id="id with NUL"),
        pytest.param(user_created(data__id='"user_2abc def"'), id="id with space"),
        pytest.param(user_created(data__id='"user_２"'), id="id with a wide digit"),
        pytest.param(user_created(data__id='"user_\\ud800"'), id="id with a lone surrogate"),
        pytest.param(user_created(data__id=f'"user_{"2" * 60}"'), id="id too long"),
        pytest.param(user_created(data__updated_at="null"), id="version null"),
        pytest.param(user_created(data__updated_at="true"), id="version true"),
        pytest.param(user_created(data__updated_at='"1748751899130"'), id="version a string"),
        pytest.param(user_created(data__updated_at="-1"), id="version negative"),
        pytest.param(user_created(data__updated_at="NaN"), id="version nan"),
        pytest.param(user_created(data__updated_at="Infinity"), id="version infinite"),
        pytest.param(user_created(data__updated_at="1e400"), id="version beyond floats"),
        pytest.param(user_created(data__updated_at="9" * 20), id="version of 20 digits"),
        pytest.param(user_created(data__updated_at="9" * 400), id="version of 400 digits"),
        pytest.param(user_created(data__updated_at="9" * 5000), id="version of 5,000 digits"),
        pytest.param(user_created(timestamp='"now"'), id="time a word"),
        pytest.param(user_created(timestamp="-1"), id="time negative"),
        pytest.param(user_created(timestamp="{}"), id="time an object"),
        pytest.param(user_created(timestamp="9" * 400), id="time of 400 digits"),
        pytest.param(user_created(data__public_metadata=DEEP), id="20,000 levels of metadata"),
        pytest.param(user_created(data__email_addresses="[7, null]"), id="emails numbers"),
        pytest.param(user_created(data__image_url="{}"), id="image an object"),
        pytest.param(user_created(data__has_image='"yes"'), id="has image a string"),
        pytest.param(user_created(data__banned='"no"'), id="banned a string"),
        pytest.param(user_created(data__username="[]"), id="username a list"),
        pytest.param(user_created(data__last_name="7"), id="last name a number"),
        pytest.param(user_created(data__public_metadata='["ADMIN"]'), id="metadata a list"),
        pytest.param(user_created(data__public_metadata='"ADMIN"'), id="metadata a string"),
        pytest.param(user_created(type='"user.updated"', data="7"), id="update of a number"),
        pytest.param(user_created(type='"user.deleted"', data="null"), id="deletion of null"),
        pytest.param(user_created(type='"user.deleted"', data__id="7"), id="deletion of a number"),
    ),
)
def test_verified_body_of_unexpected_shape_is_stored_as_dead(webhook: WebhookClient, body: str) -> None:
    response = webhook.post(body)
    assert (response.status_code, response.json()) == (200, {"outcome": "failed"})
    event = WebhookEvent.objects.get()
    assert (event.state, event.error_class) == (State.DEAD, ErrorClass.PERMANENT), event.last_error
    assert event.last_error.startswith("ClerkPayloadError: ")
    assert event.payload == body.replace("\x00", "\ufffd")
    assert event.next_attempt_at is None
    assert not User.objects.exists()
    assert not AuditLog.objects.exists()


def test_dead_event_stores_its_readable_fields(webhook: WebhookClient) -> None:
    """These fields are needed to erase the user and to fetch the user from Clerk."""
    zofia = person()
    envelope = samples.user_event("user.created", zofia)
    webhook.post(envelope | {"data": {**envelope["data"], "updated_at": "yesterday"}})
    event = WebhookEvent.objects.get()
    assert (event.state, event.event_type) == (State.DEAD, "user.created")
    assert (event.clerk_user_id, event.instance_id) == (zofia.clerk_id, envelope["instance_id"])
    assert not User.objects.exists()


@pytest.mark.parametrize("body", ("", "{", "[]", "7", '{"type": 7, "instance_id": [], "data": {"id": "user_’"}}'))
def test_unreadable_event_has_blank_fields(webhook: WebhookClient, body: str) -> None:
    webhook.post(body)
    event = WebhookEvent.objects.get()
    assert (event.state, event.event_type, event.instance_id, event.clerk_user_id) == (State.DEAD, "", "", None)


class SubjectWithoutId:
    """A payload class with a bug."""


@pytest.mark.parametrize("partial_parser_fails", (False, True), ids=("parser", "both parsers"))
@pytest.mark.parametrize("error", (AttributeError, RecursionError, KeyError, AssertionError))
def test_any_parser_exception_is_stored(
    webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch, error: type[Exception], *, partial_parser_fails: bool
) -> None:
    def fail(*args: Any) -> NoReturn:
        raise error("a bug")

    monkeypatch.setitem(payloads.PARSERS, "user.created", fail)
    if partial_parser_fails:
        monkeypatch.setattr("webhooks.inbox.deliveries.parse_partially", fail)
    response = webhook.post(samples.user_event("user.created", person()))
    assert (response.status_code, response.json()) == (200, {"outcome": "failed"})
    event = WebhookEvent.objects.get()
    assert (event.state, event.error_class) == (State.FAILED, ErrorClass.INTERNAL)
    assert event.last_error.startswith(f"{error.__name__}: ")


def test_payload_class_without_an_id_is_stored_as_failed(
    webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    zofia = person()
    monkeypatch.setitem(payloads.PARSERS, "user.created", lambda data, moment: SubjectWithoutId())
    response = webhook.post(samples.user_event("user.created", zofia))
    assert (response.status_code, response.json()) == (200, {"outcome": "failed"})
    event = WebhookEvent.objects.get()
    assert (event.state, event.clerk_user_id) == (State.FAILED, zofia.clerk_id)
    assert event.last_error.startswith("AttributeError: ")
    monkeypatch.undo()  # fix the bug
    assert inbox.retry(event.pk)
    assert User.objects.get().clerk_id == zofia.clerk_id


def test_repeated_delivery_of_dead_event_is_another_attempt(webhook: WebhookClient) -> None:
    for number in (1, 2):
        assert webhook.post("[]", svix_id="msg_1").json() == {"outcome": "failed"}
        event = WebhookEvent.objects.get()
        assert (event.state, event.attempts, event.deliveries) == (State.DEAD, number, number)


@pytest.mark.parametrize(
    "replaced",
    (
        pytest.param({"data__external_id": '"\\ud800"'}, id="lone surrogate"),
        pytest.param({"data__first_name": '"\\udfff\\ud800"'}, id="lone surrogates in a name"),
        pytest.param({"data__unsafe_metadata": "[" * 5000 + "]" * 5000}, id="5,000 levels"),
        pytest.param({"data__unsafe_metadata": f'"{"x" * 400_000}"'}, id="400 kB"),
        pytest.param({"data__unsafe_metadata": "9" * 4000}, id="number of 4,000 digits"),
        pytest.param({"data__unsafe_metadata": "[NaN, 1e999, -0.0]"}, id="non-finite numbers"),
        pytest.param({"data__unsafe_metadata": '{"a": 1, "a": 2, "": 3, "\\u0000": 4}'}, id="odd keys"),
        pytest.param({"event_attributes": "[7]"}, id="attributes a list"),
        pytest.param({"event_attributes": '{"http_request": "x"}'}, id="request a string"),
        pytest.param({"event_attributes": '{"http_request": {"client_ip": 7, "user_agent": []}}'}, id="numbers"),
        pytest.param(
            {"event_attributes": '{"http_request": {"client_ip": "\\u0000", "user_agent": "\\u0000\\ud800"}}'}, id="NUL"
        ),
        pytest.param({"instance_id": '"ins_\\u0000\\ud800"'}, id="hostile instance"),
        pytest.param({"instance_id": f'"{"x" * 5000}"'}, id="long instance"),
        pytest.param({"data__email_addresses": "null", "data__primary_email_address_id": '"x"'}, id="addresses null"),
        pytest.param({"data__image_url": '"javascript:alert(1)"'}, id="picture a script"),
        pytest.param({"data__image_url": "null", "data__has_image": "null", "data__banned": "null"}, id="flags null"),
    ),
)
def test_malformed_values_in_unused_fields_are_harmless(webhook: WebhookClient, replaced: dict[str, str]) -> None:
    response = webhook.post(user_created(**replaced))
    assert (response.status_code, response.json()) == (200, {"outcome": "processed"})
    user = User.objects.get()
    assert (user.is_active, user.email, user.image_url) == (True, None, "")


# --- Events without the time of the envelope ---


def remove_timestamp(envelope: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in envelope.items() if key != "timestamp"}


@pytest.mark.parametrize("event_type", ("user.created", "user.updated"))
@pytest.mark.parametrize("null", (True, False), ids=("null", "no key"))
def test_event_without_a_timestamp_is_ordered_by_the_update_time(
    webhook: WebhookClient, event_type: str, *, null: bool
) -> None:
    zofia = person(first_name="Zofia", last_name=None)
    webhook.updated(zofia)
    later = remove_timestamp(samples.user_event(event_type, zofia.with_changes(first_name="Zosia")))
    response = webhook.post(later | ({"timestamp": None} if null else {}), svix_id="msg_1")
    assert response.json() == {"outcome": "processed"}
    assert User.objects.get().name == "Zosia"
    assert WebhookEvent.objects.get(svix_id="msg_1").occurred_at == zofia.with_changes().updated_at
    older = remove_timestamp(samples.user_event(event_type, zofia.with_changes(timedelta(hours=-1))))
    assert webhook.post(older).json() == {"outcome": "stale"}


def test_deletion_without_any_time_is_applied_with_the_time_of_receipt(webhook: WebhookClient) -> None:
    """A deletion is final, so no time is needed to order it."""
    zofia = person()
    webhook.created(zofia)
    with time_machine.travel(NOW, tick=False):
        response = webhook.post(remove_timestamp(samples.user_event("user.deleted", zofia)))
    assert response.json() == {"outcome": "processed"}
    assert User.objects.get().deleted_at == NOW


def test_session_end_without_a_timestamp_is_applied(webhook: WebhookClient) -> None:
    data = {"id": "sess_1", "user_id": person().clerk_id, "updated_at": samples.milliseconds(EARLIER)}
    response = webhook.post({"type": "session.ended", "instance_id": samples.INSTANCE_ID, "data": data})
    assert response.json() == {"outcome": "processed"}
    assert EndedSession.objects.get().ended_at == EARLIER


# --- Hostile user data ---

CLIENT, BUILDER, ADMIN = User.Role.CLIENT, User.Role.BUILDER, User.Role.ADMIN


@pytest.mark.parametrize(
    ("metadata", "roles"),
    (
        pytest.param({"roles": ["BUILDER"]}, [BUILDER], id="list"),
        pytest.param({"roles": ["builder", "Client"]}, [CLIENT, BUILDER], id="lower case"),
        pytest.param({"roles": [" BUILDER\n"]}, [BUILDER], id="spaces"),
        pytest.param({"roles": ["BUILDER", "BUILDER"]}, [BUILDER], id="repeated"),
        pytest.param({"roles": ["ADMIN", "BUILDER", "CLIENT"]}, [CLIENT, BUILDER, ADMIN], id="all"),
        pytest.param({"roles": []}, [], id="none"),
        pytest.param({}, [CLIENT], id="no key"),
        pytest.param({"roles": None}, [CLIENT], id="null"),
        pytest.param({"roles": "ADMIN"}, [CLIENT], id="string"),
        pytest.param({"roles": 7}, [CLIENT], id="number"),
        pytest.param({"roles": True}, [CLIENT], id="true"),
        pytest.param({"roles": {"ADMIN": True}}, [CLIENT], id="object"),
        pytest.param({"Roles": ["ADMIN"]}, [CLIENT], id="key in another case"),
        pytest.param({"roles": [["ADMIN"]]}, [], id="nested"),
        pytest.param({"roles": [{"name": "ADMIN"}, "BUILDER"]}, [BUILDER], id="objects"),
        pytest.param({"roles": [7, None, True, 1.5, "CLIENT"]}, [CLIENT], id="numbers"),
        pytest.param({"roles": ["SUPERUSER", "ADMIN;", "BUILDER"]}, [BUILDER], id="unknown names"),
        pytest.param({"roles": ["\x00ADMIN", "\u202eADMIN", "\ud800"]}, [], id="hostile names"),
        pytest.param({"roles": ["adm\u0131n", "bu\u0131lder", "CL\u0130ENT", "\u212aCLIENT"]}, [], id="not ASCII"),
        pytest.param({"roles": [float("inf"), "BUILDER"]}, [BUILDER], id="infinite number"),
        pytest.param(
            {"roles": ["CLIENT"], "hourlyRate": float("inf"), "x": float("nan")}, [CLIENT], id="infinite rate"
        ),
        pytest.param({"roles": ["x" * 10_000, "CLIENT"]}, [CLIENT], id="long names"),
        pytest.param({"roles": ["CLIENT"] * 10_000}, [CLIENT], id="10,000 names"),
        pytest.param(None, [CLIENT], id="metadata null"),
    ),
)
def test_malformed_roles_are_reduced_to_valid_ones(webhook: WebhookClient, metadata: object, roles: list[str]) -> None:
    data = person().data() | {"public_metadata": metadata, "unsafe_metadata": {"roles": ["ADMIN"]}}
    body = json.dumps(samples.event("user.created", data, occurred_at=NOW))
    assert webhook.post(body).json() == {"outcome": "processed"}
    user = User.objects.get()
    assert user.roles == roles
    assert BuilderProfile.objects.count() == roles.count(BUILDER)
    assert not user.is_superuser


@pytest.mark.parametrize("number", ("1e400", "-1e400", "NaN", "Infinity", "[1e400]", '{"a": 1e400}'))
def test_number_that_json_cannot_represent_is_absent_in_metadata(webhook: WebhookClient, number: str) -> None:
    metadata = f'{{"roles":["BUILDER"],"hourlyRate":{number},"score":{number}}}'
    assert webhook.post(user_created(data__public_metadata=metadata)).json() == {"outcome": "processed"}
    assert (User.objects.get().roles, User.objects.get().clerk_metadata) == ([BUILDER], {})


@pytest.mark.parametrize(
    ("first", "last", "name"),
    (
        pytest.param("Zo\x00fia", "Wąs", "Zo fia Wąs", id="NUL"),
        pytest.param("Zofia\u202e", "\u2067Wąs\u200f", "Zofia Wąs", id="right-to-left marks"),
        pytest.param("Zofia\ud800", "Wąs", "Zofia Wąs", id="lone surrogate"),
        pytest.param("Zofia\r\nWąs", "\t", "Zofia Wąs", id="line breaks"),
        pytest.param("x" * 10_000, "", "x" * 100, id="10,000 characters"),
        pytest.param("x" * 10_000, "y" * 10_000, "x" * 100 + " " + "y" * 99, id="20,000 characters"),
        pytest.param("e\u0301" * 10_000, "", "\u00e9" * 100, id="10,000 accents"),
        pytest.param("\ufdfa" * 10_000, "", "\ufdfa" * 100, id="10,000 ligatures"),
        pytest.param("\U0001d160" * 10_000, "", None, id="characters that normalisation lengthens"),
        pytest.param("<b>Zofia</b>", "{{ 7*7 }}", "<b>Zofia</b> {{ 7*7 }}", id="markup"),
        pytest.param("'; DROP TABLE", "--", "'; DROP TABLE --", id="SQL"),
        pytest.param("\x00", "\u202e", "", id="only control characters"),
        pytest.param("\U0001f9d1\u200d\U0001f680", "高橋", "\U0001f9d1\u200d\U0001f680 高橋", id="emoji"),
        pytest.param("ليلى", "منصور", "ليلى منصور", id="right-to-left name"),
    ),
)
def test_hostile_names_are_cleaned(webhook: WebhookClient, first: object, last: object, name: str | None) -> None:
    data = person(roles=["BUILDER"]).data() | {"first_name": first, "last_name": last}
    body = json.dumps(samples.event("user.created", data, occurred_at=NOW))
    assert webhook.post(body).json() == {"outcome": "processed"}
    user = User.objects.get()
    assert len(user.name) <= 200
    assert name is None or user.name == name
    profile = BuilderProfile.objects.get()
    assert (profile.slug is None) == (not user.name)


# --- Queries ---


def statements(queries: CaptureQueriesContext) -> list[str]:
    return [query["sql"] for query in queries.captured_queries]


@pytest.mark.django_db(transaction=True)
def test_new_builder_takes_seven_queries(webhook: WebhookClient) -> None:
    """The queries include BEGIN and COMMIT. The slug is chosen by the INSERT."""
    webhook.created(person())
    with CaptureQueriesContext(connection) as queries:
        assert webhook.created(person(roles=["BUILDER"])) == "processed"
    assert len(queries) <= 7, statements(queries)
    assert statements(queries)[0] == "BEGIN"
    assert statements(queries)[-1] == "COMMIT"
    assert BuilderProfile.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_duplicate_takes_three_queries(webhook: WebhookClient) -> None:
    zofia = person(roles=["BUILDER"])
    webhook.created(zofia, svix_id="msg_1")
    with CaptureQueriesContext(connection) as queries:
        assert webhook.created(zofia, svix_id="msg_1") == "duplicate"
    assert len(queries) == 3, statements(queries)
    assert statements(queries)[0] == "BEGIN"
    assert statements(queries)[-1] == "COMMIT"


@pytest.mark.django_db(transaction=True)
def test_rejected_request_takes_no_query(webhook: WebhookClient) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert webhook.post("{}", headers={"svix-signature": "junk"}).status_code == 400
    assert statements(queries) == []


@pytest.mark.django_db(transaction=True)
def test_endpoint_ignores_atomic_requests(webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ATOMIC_REQUESTS, a failure would also roll back the stored event."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", value=True)
    with CaptureQueriesContext(connection) as queries:
        assert webhook.created(person()) == "processed"
    assert not [sql for sql in statements(queries) if "SAVEPOINT" in sql]


# --- Log lines ---


def logged_lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    """Return the message and fields of each line about a delivery."""
    found = [record for record in caplog.records if record.msg.startswith("Webhook ")]
    return [(record.getMessage(), record.__dict__["fields"]) for record in found]


def test_each_delivery_is_logged_once_with_id_type_outcome_and_duration(
    webhook: WebhookClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    zofia = person()
    webhook.created(zofia, svix_id="msg_1")
    webhook.created(zofia, svix_id="msg_1")
    webhook.updated(zofia.with_changes(-timedelta(hours=1)), svix_id="msg_old")
    webhook.send("session.pending", zofia, svix_id="msg_other")
    webhook.post("[]", svix_id="msg_bad")
    expected = [
        ("msg_1", "user.created", "processed"),
        ("msg_1", "user.created", "duplicate"),
        ("msg_old", "user.updated", "stale"),
        ("msg_other", "session.pending", "ignored"),
        ("msg_bad", "", "dead"),
    ]
    lines = logged_lines(caplog)
    assert [(fields["svix_id"], fields["event_type"], fields["outcome"]) for _, fields in lines] == expected
    assert all(0 < fields["ms"] < 15_000 for _, fields in lines)
    assert re.fullmatch(r"Webhook msg_1 \(user\.created\): processed in [\d.]+ ms\.", lines[0][0])


def test_rejected_request_has_no_delivery_line(webhook: WebhookClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    webhook.post("{}", headers={"svix-signature": "junk"})
    assert logged_lines(caplog) == []
