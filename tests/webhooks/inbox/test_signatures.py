"""Verification of signatures, headers and bodies."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import User
from tests.helpers.webhooks import WebhookClient, new_svix_id, person
from tests.settings import NEXT_SECRET, SECRET
from tests.webhooks.assertions import assert_rejected
from webhooks.inbox import signatures
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
UNKNOWN_SECRET = "whsec_" + base64.b64encode(b"a secret that is not configured").decode()
#: A well-formed but wrong signature.
WRONG = "v1," + base64.b64encode(bytes(32)).decode()
BODY = samples.encode(samples.event("session.pending", {"id": "sess_1"}, occurred_at=NOW))


def compute_signature(body: bytes, *, svix_id: str, timestamp: str, secret: str = SECRET) -> str:
    """Compute the signature header without using code from this application or Svix."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{svix_id}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def signed_headers(body: bytes = BODY.encode(), *, svix_id: str = "msg_1", timestamp: str = "") -> dict[str, str]:
    """Return headers with a valid signature, even for malformed values."""
    timestamp = timestamp or str(int(datetime.now(UTC).timestamp()))
    signature = compute_signature(body, svix_id=svix_id, timestamp=timestamp)
    return {"svix-id": svix_id, "svix-timestamp": timestamp, "svix-signature": signature}


def test_independently_computed_signature_is_accepted(webhook: WebhookClient) -> None:
    body = samples.encode(samples.user_event("user.created", person(first_name="Zażółć", last_name="高橋"))).encode()
    assert webhook.post(body, headers=signed_headers(body)).json() == {"outcome": "processed"}


@pytest.mark.parametrize("secret", (SECRET, NEXT_SECRET), ids=("current", "next"))
def test_any_configured_secret_is_accepted_and_its_fingerprint_stored(db: None, secret: str) -> None:
    assert WebhookClient(secret).created(person()) == "processed"
    kept = WebhookEvent.objects.get().secret_fingerprint
    assert kept == hashlib.sha256(secret.encode()).hexdigest()[:12]


def test_fingerprint_does_not_reveal_the_secret() -> None:
    assert signatures.fingerprint(SECRET) not in SECRET
    assert signatures.fingerprint(SECRET) != signatures.fingerprint(NEXT_SECRET)


def test_unknown_secret_is_rejected(db: None) -> None:
    assert_rejected(WebhookClient(UNKNOWN_SECRET).post(BODY), "bad_signature")


def test_retired_secret_is_rejected(webhook: WebhookClient, settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SECRETS = [NEXT_SECRET]
    assert_rejected(webhook.post(BODY), "bad_signature")


def rename_headers(headers: dict[str, str]) -> dict[str, str]:
    """Rename headers to the Standard Webhooks names, and set Svix's headers to blank values."""
    return {name.replace("svix", "webhook"): value for name, value in headers.items()} | dict.fromkeys(headers, "")


def test_standard_webhooks_header_names_are_accepted(webhook: WebhookClient) -> None:
    response = webhook.post(BODY, headers=rename_headers(signed_headers(svix_id="msg_standard")))
    assert response.json() == {"outcome": "ignored"}
    assert WebhookEvent.objects.get().svix_id == "msg_standard"


def test_mixed_header_names_are_rejected(webhook: WebhookClient) -> None:
    headers = signed_headers()
    headers["webhook-timestamp"], headers["svix-timestamp"] = headers["svix-timestamp"], ""
    assert_rejected(webhook.post(BODY, headers=headers), "missing_headers")


def test_only_the_verified_id_is_stored(webhook: WebhookClient) -> None:
    forged = {"webhook-id": "msg_forged", "webhook-timestamp": "1", "webhook-signature": WRONG}
    assert webhook.post(BODY, headers=signed_headers(svix_id="msg_real") | forged).status_code == 200
    assert WebhookEvent.objects.get().svix_id == "msg_real"


@pytest.mark.parametrize("value", ("", " ", "\t"), ids=("missing", "blank", "tab"))
@pytest.mark.parametrize("name", ("svix-id", "svix-timestamp", "svix-signature"))
def test_missing_or_blank_header_is_rejected(webhook: WebhookClient, name: str, value: str) -> None:
    assert_rejected(webhook.post(BODY, headers={name: value}), "missing_headers")


def test_request_without_signature_headers_is_rejected(webhook: WebhookClient) -> None:
    assert_rejected(webhook.post(BODY, headers=dict.fromkeys(signed_headers(), "")), "missing_headers")


@pytest.mark.parametrize(
    ("signature", "reason"),
    (
        pytest.param("junk", "malformed_headers", id="junk"),
        pytest.param("v1", "malformed_headers", id="version only"),
        pytest.param("v1,", "malformed_headers", id="version and comma"),
        pytest.param(",", "malformed_headers", id="comma"),
        pytest.param("{digest}", "malformed_headers", id="no version"),
        pytest.param(",{digest}", "malformed_headers", id="blank version"),
        pytest.param("v1:{digest}", "malformed_headers", id="wrong separator"),
        pytest.param("v1,{digest},{digest}", "malformed_headers", id="two commas"),
        pytest.param("v2,{digest}", "malformed_headers", id="unknown version"),
        pytest.param("v1a,{digest}", "malformed_headers", id="version of another algorithm"),
        pytest.param("v10,{digest}", "malformed_headers", id="version with the same prefix"),
        pytest.param("v1,not*base64", "malformed_headers", id="not base64"),
        pytest.param("v1,abc", "malformed_headers", id="base64 cut short"),
        pytest.param("v1,====", "malformed_headers", id="padding only"),
        pytest.param("v1,é", "malformed_headers", id="not ASCII"),
        pytest.param("v1,\u00b2\u00b3", "malformed_headers", id="digits of Latin-1"),
        pytest.param("\x00", "malformed_headers", id="NUL"),
        pytest.param("v1,\x00{digest}", "malformed_headers", id="NUL in an entry"),
        pytest.param("v2,x " * 1000, "malformed_headers", id="1,000 entries of unknown versions"),
        pytest.param(f"{WRONG} " * 1000, "bad_signature", id="1,000 wrong entries"),
        pytest.param(WRONG, "bad_signature", id="wrong"),
        pytest.param("v1,{reversed}", "bad_signature", id="digest reversed"),
    ),
)
def test_signature_header_without_valid_entry_is_rejected(webhook: WebhookClient, signature: str, reason: str) -> None:
    headers = signed_headers()
    digest = headers["svix-signature"].removeprefix("v1,")
    reversed_digest = base64.b64encode(base64.b64decode(digest)[::-1]).decode()
    headers["svix-signature"] = signature.format(digest=digest, reversed=reversed_digest)
    assert_rejected(webhook.post(BODY, headers=headers), reason)


@pytest.mark.parametrize(
    "signature",
    (
        pytest.param("{good} {good}", id="twice"),
        pytest.param(f"{WRONG} {{good}}", id="after a wrong one"),
        pytest.param(f"{{good}} {WRONG}", id="before a wrong one"),
        pytest.param(f"{WRONG} " * 100 + "{good}", id="after 100 wrong ones"),
        pytest.param("v1a,c2lnbmF0dXJl {good}", id="after another algorithm"),
        pytest.param("v2,x {good}", id="after an unknown version"),
        pytest.param("junk {good}", id="after junk"),
        pytest.param("v1 {good}", id="after a version only"),
        pytest.param("v1, {good}", id="after an empty one"),
        pytest.param("v1,a,b {good}", id="after two commas"),
        pytest.param("v1,abc {good}", id="after base64 cut short"),
        pytest.param("v1,a=== {good}", id="after bad base64"),
        pytest.param("v1,é {good}", id="after one that is not ASCII"),
        pytest.param("  {good}  ", id="between spaces"),
        pytest.param("junk  {good}", id="after two spaces"),
        pytest.param("{good} junk", id="before junk"),
    ),
)
def test_one_valid_signature_entry_is_enough(webhook: WebhookClient, signature: str) -> None:
    headers = signed_headers()
    headers["svix-signature"] = signature.format(good=headers["svix-signature"])
    assert webhook.post(BODY, headers=headers).json() == {"outcome": "ignored"}


def test_signatures_of_rotated_secrets_are_accepted_with_either_secret(webhook: WebhookClient) -> None:
    """During a rotation, Svix signs with the old and the new secret."""
    headers = signed_headers(svix_id="msg_rotated")
    timestamp = headers["svix-timestamp"]
    other = compute_signature(BODY.encode(), svix_id="msg_rotated", timestamp=timestamp, secret=UNKNOWN_SECRET)
    headers["svix-signature"] = f"{other} {headers['svix-signature']}"
    assert webhook.post(BODY, headers=headers).status_code == 200
    assert WebhookEvent.objects.get().secret_fingerprint == signatures.fingerprint(SECRET)


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    (
        pytest.param("yesterday", "malformed_headers", id="word"),
        pytest.param("-1", "malformed_headers", id="negative"),
        pytest.param("-{now}", "malformed_headers", id="negative now"),
        pytest.param("+{now}", "malformed_headers", id="signed"),
        pytest.param("{now}.0", "malformed_headers", id="fractional"),
        pytest.param("{now}.9", "malformed_headers", id="fraction"),
        pytest.param("1.7e9", "malformed_headers", id="scientific"),
        pytest.param("nan", "malformed_headers", id="nan"),
        pytest.param("inf", "malformed_headers", id="inf"),
        pytest.param("1_700_000_000", "malformed_headers", id="underscores"),
        pytest.param("0x6553f100", "malformed_headers", id="hexadecimal"),
        pytest.param("\u00b9\u00b2", "malformed_headers", id="superscripts"),
        pytest.param("{now} {now}", "malformed_headers", id="two"),
        pytest.param("{now}\x00", "malformed_headers", id="NUL"),
        pytest.param("9" * 5000, "malformed_headers", id="5,000 digits"),
        pytest.param("{now}000", "malformed_headers", id="milliseconds"),
        pytest.param("999999999999", "future_timestamp", id="far future"),
        pytest.param("0", "stale_timestamp", id="epoch"),
    ),
)
def test_invalid_timestamp_is_rejected(webhook: WebhookClient, timestamp: str, reason: str) -> None:
    text = timestamp.format(now=int(datetime.now(UTC).timestamp()))
    assert_rejected(webhook.post(BODY, headers=signed_headers(timestamp=text)), reason)


@pytest.mark.parametrize("sign", (-1, 1), ids=("past", "future"))
def test_timestamp_within_five_minutes_is_accepted(webhook: WebhookClient, sign: int) -> None:
    with time_machine.travel(NOW, tick=False):
        assert webhook.created(person(), at=NOW + sign * timedelta(minutes=4, seconds=59)) == "processed"


@pytest.mark.parametrize(("sign", "reason"), ((-1, "stale_timestamp"), (1, "future_timestamp")))
def test_signed_timestamp_out_of_range_is_rejected(webhook: WebhookClient, sign: int, reason: str) -> None:
    with time_machine.travel(NOW, tick=False):
        response = webhook.post(BODY, at=NOW + sign * timedelta(minutes=5, seconds=1))
    assert_rejected(response, reason)


@pytest.mark.parametrize("sign", (-1, 1), ids=("past", "future"))
def test_unsigned_timestamp_out_of_range_is_a_bad_signature(sign: int) -> None:
    """Anyone can send an old timestamp, so it must not be reported as a wrong clock."""
    with time_machine.travel(NOW, tick=False):
        stranger = WebhookClient(secret="whsec_" + "c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIhISE=")
        assert_rejected(stranger.post(BODY, at=NOW + sign * timedelta(minutes=10)), "bad_signature")


def test_recorded_request_is_rejected_later(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW, tick=False):
        headers = signed_headers()
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        assert_rejected(webhook.post(BODY, headers=headers), "stale_timestamp")


@pytest.mark.parametrize(
    ("svix_id", "reason"),
    (
        pytest.param("", "missing_headers", id="empty"),
        pytest.param("m" * 256, "malformed_headers", id="256 characters"),
        pytest.param("m" * 100_000, "malformed_headers", id="100,000 characters"),
        pytest.param("msg_\x00", "malformed_headers", id="NUL"),
        pytest.param("msg 1", "malformed_headers", id="space"),
        pytest.param("msg\t1", "malformed_headers", id="tab"),
        pytest.param("msg_é", "malformed_headers", id="not ASCII"),
        pytest.param("msg_\x7f", "malformed_headers", id="DEL"),
    ),
)
def test_malformed_id_is_rejected(webhook: WebhookClient, svix_id: str, reason: str) -> None:
    assert_rejected(webhook.post(BODY, svix_id=svix_id), reason)


@pytest.mark.parametrize("svix_id", ("m", "m" * 255, "msg_<script>'\";--%00"), ids=("short", "longest", "punctuation"))
def test_unusual_id_is_accepted(webhook: WebhookClient, svix_id: str) -> None:
    assert webhook.post(BODY, svix_id=svix_id).status_code == 200
    assert WebhookEvent.objects.get().svix_id == svix_id


@pytest.mark.parametrize(
    "body",
    (
        pytest.param(BODY + " ", id="longer"),
        pytest.param(BODY[:-1], id="shorter"),
        pytest.param(BODY.replace("sess_1", "sess_2"), id="one character"),
        pytest.param(BODY.replace(":", ": "), id="formatted"),
        pytest.param("", id="empty"),
    ),
)
def test_body_changed_after_signing_is_rejected(webhook: WebhookClient, body: str) -> None:
    assert_rejected(webhook.post(body, headers=signed_headers()), "bad_signature")


@pytest.mark.parametrize("name", ("svix-id", "svix-timestamp"))
def test_header_changed_after_signing_is_rejected(webhook: WebhookClient, name: str) -> None:
    other = {"svix-id": new_svix_id(), "svix-timestamp": str(int(datetime.now(UTC).timestamp()) - 1)}
    assert_rejected(webhook.post(BODY, headers={name: other[name]}), "bad_signature")


@pytest.mark.parametrize(
    "body",
    (
        pytest.param(b"\xff\xfe\xfd", id="no encoding"),
        pytest.param(BODY.replace("sess_1", "é").encode("latin-1"), id="Latin-1"),
        pytest.param(BODY.encode("utf-16"), id="UTF-16"),
        pytest.param(BODY.replace("sess_1", "\ud800").encode("utf-8", "surrogatepass"), id="lone surrogate"),
        pytest.param(b"\xc0\x80", id="overlong NUL"),
        pytest.param(BODY.encode()[:-2] + b"\xe2\x82", id="character cut short"),
    ),
)
def test_signed_body_that_is_not_utf_8_is_rejected(webhook: WebhookClient, body: bytes) -> None:
    assert_rejected(webhook.post(body, headers=signed_headers(body)), "not_text")


@pytest.mark.parametrize("length", (0, 10, len(BODY) - 1))
def test_body_longer_than_content_length_is_rejected(webhook: WebhookClient, length: int) -> None:
    assert_rejected(webhook.post(BODY, CONTENT_LENGTH=str(length)), "bad_signature")


def test_rejected_request_changes_nothing(webhook: WebhookClient) -> None:
    zofia = person(first_name="Zofia")
    webhook.created(zofia)
    renamed_event = samples.user_event("user.updated", zofia.with_changes(first_name="Mallory"))
    assert webhook.post(renamed_event, headers={"svix-signature": WRONG}).status_code == 400
    assert WebhookEvent.objects.count() == 1
    assert User.objects.get().name.startswith("Zofia")
