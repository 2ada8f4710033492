"""The payload tree hides personal data and is limited in size."""

import json
import re
from typing import Any

import pytest
from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.clerk import samples
from tests.helpers.webhooks import person
from webhooks.payloads import masking
from webhooks.payloads import tree as payload_tree

EVENTS = [
    *(event for events in samples.examples().values() for event in events),
    *samples.captured(),
    samples.user_event("user.created", person(username="zofka", phone="+48600100200", roles=["BUILDER", "Zofia"])),
]
#: Keys whose values are or may be personal data, listed independently of the code.
PERSONAL = re.compile(
    r"name|email_address$|^email$|phone_number$|avatar|picture|image_url|logo|identifier|google_id|provider_user_id"
    r"|external_id|client_ip|ip_address|user_agent|city|country|body|subject|message|otp|slug|label|url|scopes|last4"
)
SHOWN = {"has_image", "pending_invitations_count"}


def page(body: str, *, revealed: bool = False) -> str:
    """Render the payload section of the page."""
    payload = payload_tree.build(body, revealed=revealed)
    context = {"payload": payload, "revealed": revealed, "event": {"pk": 1}}
    return render_to_string("admin/webhooks/webhookevent/_payload.html", context)


def shown_values(body: str, *, revealed: bool = False) -> dict[str, str | None]:
    """Return the text of each value by its key."""
    nodes = payload_tree.build(body, revealed=revealed).nodes or []
    return {node.key: node.text for node in nodes if node.key is not None and node.role == "value"}


def personal_texts(value: Any, key: str = "", *, metadata: bool = False) -> set[str]:
    """Return the texts in an event that are personal data."""
    if isinstance(value, dict):
        return set().union(
            *(personal_texts(v, k, metadata=metadata or k.endswith("metadata")) for k, v in value.items())
        )
    if isinstance(value, list):
        return set().union(*(personal_texts(v, key, metadata=metadata) for v in value))
    is_text = isinstance(value, str) and len(value) > 2
    is_ours = key == "roles" and value in ("CLIENT", "BUILDER", "ADMIN")
    return {value} if is_text and not is_ours and (metadata or PERSONAL.search(key)) else set()


def visible_text(html: str) -> str:
    return re.sub(r"<[^>]*>", " ", html)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
def test_personal_data_of_known_events_is_hidden(event: dict[str, Any]) -> None:
    texts = [node.text or "" for node in payload_tree.build(samples.encode(event), revealed=False).nodes or []]
    found = personal_texts(event)
    assert found
    assert not {value for value in found for text in texts if json.dumps(value, ensure_ascii=False) == text}


def test_harmless_values_of_a_user_are_shown() -> None:
    zofia = person(username="zofka", roles=["BUILDER"], public_metadata={"roles": ["BUILDER"], "validationTier": 2})
    found = shown_values(samples.encode(samples.user_event("user.updated", zofia)))
    assert found["type"] == '"user.updated"'
    assert found["banned"] == "false"
    assert found["status"] == '"verified"'
    assert found["validationTier"] == "2"
    assert zofia.clerk_id in page(samples.encode(samples.user_event("user.updated", zofia)))
    assert '"BUILDER"' in page(samples.encode(samples.user_event("user.updated", zofia))).replace("&quot;", '"')
    assert found["updated_at"] == str(samples.milliseconds(zofia.updated_at))
    for hidden in ("first_name", "username", "email_address", "image_url", "client_ip", "user_agent"):
        assert found[hidden] is None, hidden


def test_times_are_shown_as_dates() -> None:
    assert "1 Nov 2026 12:00:00" in page('{"data": {"updated_at": 1793534400000}}')


SECRET = "Łęcka-4711"
TEXTS = st.text(max_size=20)
NOISE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        *("data", "user", "email_addresses", "public_metadata", "private_metadata", "unsafe_metadata", "roles", "id"),
        *(
            "verification",
            "type",
            "object",
            "created_at",
            "banned",
            "validationTier",
            "hourlyRate",
            "hourlyRateCurrency",
            "unknown",
        ),
    ]
)


def nest(value: Any) -> st.SearchStrategy[Any]:
    """Nest a value in objects and lists under known and unknown keys."""
    return st.lists(st.tuples(KEYS | TEXTS, NOISE, st.booleans()), min_size=1, max_size=6).map(
        lambda steps: _wrap(value, steps)
    )


def _wrap(value: Any, steps: list[tuple[str, Any, bool]]) -> Any:
    for key, noise, in_list in steps:
        value = {"aside": noise, key: [noise, value] if in_list else value}
    return value


@settings(deadline=None)  # the machine may be under load
@given(nest(SECRET))
def test_personal_text_is_hidden_at_any_position(body: Any) -> None:
    assert SECRET not in page(json.dumps(body))


@settings(deadline=None)  # the machine may be under load
@given(nest({"zofia@example.com": True, SECRET: None}))
def test_personal_key_is_hidden_at_any_position(body: Any) -> None:
    html = page(json.dumps(body))
    assert SECRET not in html
    assert "zofia@" not in html


@settings(deadline=None)  # the machine may be under load
@given(NOISE)
def test_metadata_shows_only_known_keys(noise: Any) -> None:
    body = {"data": {"public_metadata": {"roles": ["BUILDER"], "note": noise}, "private_metadata": {"x": noise}}}
    found = {key: text for key, text in shown_values(json.dumps(body)).items() if text not in ("{}", "[]")}
    assert set(found) <= {"private_metadata"}
    assert masking.is_safe_value(("data", "public_metadata", "roles"), "BUILDER")


@pytest.mark.parametrize("place", ("private_metadata", "unsafe_metadata", "public_metadata", "something_new"))
@pytest.mark.parametrize("inside", ("", "data"))
def test_harmless_looking_values_are_hidden_in_metadata(place: str, inside: str) -> None:
    """Metadata may contain a name that looks like a Clerk ID, or bans from another system."""
    values = {"id": "zofia_Lecka", "banned": True, "type": "zofia", "created_at": 1793534400000, "note": None}
    nodes = payload_tree.build(
        json.dumps({"data": {place: {inside: values} if inside else values}}), revealed=False
    ).nodes
    assert [node.text for node in nodes or [] if node.role == "value"] == [None] * 5
    assert [node.key for node in nodes or [] if node.role == "value"] == [None] * 5


@settings(deadline=None)  # the machine may be under load
@given(TEXTS | st.binary().map(lambda data: data.decode("latin-1")) | NOISE.map(json.dumps), st.booleans())
def test_any_body_can_be_rendered(body: str, revealed: bool) -> None:  # noqa: FBT001
    page(body, revealed=revealed).encode()


@settings(deadline=None)  # the machine may be under load
@given(NOISE)
def test_html_of_the_tree_is_well_formed(noise: Any) -> None:
    html = page(json.dumps({"data": noise}), revealed=True)
    for tag in ("ul", "li", "details", "summary"):
        assert len(re.findall(rf"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag


@pytest.mark.parametrize("body", ("no JSON", "", "[" * 50_000, "1" * 5_000, '{"a": ' * 3_000 + "1"))
def test_invalid_json_is_hidden_and_can_be_revealed(body: str) -> None:
    payload = payload_tree.build(body, revealed=False)
    assert (payload.nodes, payload.text, payload.length) == (None, None, len(body))
    assert payload_tree.build(body, revealed=True).text == body[: payload_tree.MAX_RAW_LENGTH]


def test_markup_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    for body in (json.dumps({hostile: hostile}), hostile):
        html = page(body, revealed=True)
        assert "<script" not in html
        assert "&lt;script&gt;" in html


# --- Limits ---


def test_revealed_payload_shows_personal_data() -> None:
    event = samples.user_event("user.created", person(first_name="Zofia", username="zofka"))
    assert shown_values(samples.encode(event), revealed=True)["first_name"] == '"Zofia"'


@pytest.mark.parametrize(
    "value",
    (
        pytest.param([[{"id": "user_1234"} for _ in range(99)] for _ in range(99)], id="wide"),
        pytest.param([{str(n): n for n in range(50_000)}], id="many keys"),
        pytest.param(list(range(100_000)), id="a long list"),
        pytest.param(["x" * 500_000], id="a long text"),
    ),
)
def test_large_payload_is_limited(value: Any) -> None:
    payload = payload_tree.build(json.dumps(value), revealed=True)
    assert len(payload.nodes or []) <= payload_tree.MAX_NODES + payload_tree.MAX_DEPTH + 1
    html = page(json.dumps(value), revealed=True)
    assert len(html) < 400_000
    assert (
        "more" in visible_text(html)
        or "characters)" in visible_text(html)
        or "Only the beginning" in visible_text(html)
    )


def test_long_list_shows_the_number_of_hidden_items() -> None:
    assert "and 900 more" in page(json.dumps({"data": list(range(1000))}), revealed=True)


def test_deep_nesting_shows_the_number_of_hidden_items() -> None:
    value: Any = [1, 2, 3]
    for _ in range(900):
        value = [value]
    payload = payload_tree.build(json.dumps(value), revealed=True)
    assert [node.role for node in payload.nodes or []].count("open") == payload_tree.MAX_DEPTH
    assert [node.size for node in payload.nodes or [] if node.role == "more"] == [1]
    assert not payload.is_cut
