"""Verify the signature of a delivery with Svix's own package, on the raw bytes."""

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError
from svix.webhooks import Webhook

#: Svix's libraries accept five minutes in both directions. docs.svix.com/receiving/verifying-payloads/how-manual
TOLERANCE_S = 300
MAX_ID_LENGTH = 255
#: github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
MIN_SECRET_BYTES = 24
#: Svix's library ignores characters that are not base64, so it would accept other keys that were pasted by mistake.
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]+={0,2}")
ID = re.compile(r"[!-~]+")
TIMESTAMP = re.compile(r"[0-9]{1,12}")
#: One entry of the signature header. Entries of other versions and malformed entries are skipped, as in Svix's Go and
#: JavaScript libraries; the Python library raises on them. The base64 of a SHA-256 digest always has this length.
ENTRY = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


class NotVerified(Exception):
    """A request without a valid signature.

    Attributes:
        reason: the code returned to the sender: missing_headers, malformed_headers, stale_timestamp,
            future_timestamp, unreadable_body, not_text or bad_signature.
        clock_offset_s: seconds between the signed timestamp and the local clock, if only the timestamp was rejected.
    """

    def __init__(self, reason: str, clock_offset_s: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.clock_offset_s = reason, clock_offset_s


class NotConfigured(Exception):
    """CLERK_WEBHOOK_SECRET is not set, or is not a signing secret."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified request. `svix_id` is the signed ID, which is the same for every retry."""

    svix_id: str
    body: str
    secret_fingerprint: str


def verify(request: HttpRequest) -> Delivery:
    """Return the delivery in `request`.

    Raises:
        NotVerified: a header is missing, malformed, too old or too new, or no signature matches.
        NotConfigured: no valid signing secret is configured.
    """
    secrets = [(fingerprint(secret), _verifier(secret)) for secret in settings.CLERK_WEBHOOK_SECRETS]
    if not secrets:
        raise NotConfigured("CLERK_WEBHOOK_SECRET is not set; copy it from the endpoint's page in Clerk's dashboard.")
    svix_id, timestamp, signature = _headers(request)
    body = _text(request)
    _check_clock(svix_id, timestamp, signature, body)
    # Pass only these three headers, so that the library ignores other header names.
    headers = {"svix-id": svix_id, "svix-timestamp": timestamp, "svix-signature": signature}
    for secret_fingerprint, verifier in secrets:
        try:
            verifier.verify(body, headers)
        except Exception:  # noqa: BLE001, S112  # malformed input makes the library raise other errors than its own
            continue
        return Delivery(svix_id, body, secret_fingerprint)
    raise NotVerified("bad_signature")


def sign(body: str, secret: str, *, svix_id: str, at: datetime | None = None) -> dict[str, str]:
    """Return the headers of a signed delivery, for tests and `manage.py clerk_event`.

    Args:
        body: the text to send, encoded as UTF-8.
        secret: the signing secret of the endpoint, "whsec_" followed by base64.
        svix_id: the message ID, the same for each delivery of one message.
        at: the time of the delivery, by default now.

    Raises:
        NotConfigured: the secret is not a signing secret.
    """
    moment = at or datetime.now(UTC)
    signature = _verifier(secret).sign(svix_id, moment, body)
    return {"svix-id": svix_id, "svix-timestamp": str(int(moment.timestamp())), "svix-signature": signature}


def fingerprint(secret: str) -> str:
    """Return a short identifier of a secret that does not reveal it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def position(wanted: str) -> int | None:
    """Return the position, from 1, of the configured secret with this fingerprint, or None if it was removed."""
    fingerprints = [fingerprint(secret) for secret in settings.CLERK_WEBHOOK_SECRETS]
    return fingerprints.index(wanted) + 1 if wanted in fingerprints else None


def is_usable(secret: str) -> bool:
    try:
        _verifier(secret)
    except NotConfigured:
        return False
    return True


def is_strong(secret: str) -> bool:
    """Return whether a valid secret is long enough that it cannot be guessed."""
    return len(base64.b64decode(secret.removeprefix("whsec_"))) >= MIN_SECRET_BYTES


@lru_cache(maxsize=16)
def _verifier(secret: str) -> Webhook:
    try:
        if not SECRET.fullmatch(secret):
            raise ValueError("The secret is not whsec_ followed by base64.")
        return Webhook(secret)
    except Exception as error:
        raise NotConfigured(
            "CLERK_WEBHOOK_SECRET must be whsec_ followed by base64; copy it again from Clerk's dashboard."
        ) from error


def _headers(request: HttpRequest) -> tuple[str, str, str]:
    """Return the ID, timestamp and well-formed signatures from the svix-* headers or the webhook-* headers."""
    prefix = "svix" if request.headers.get("svix-id", "").strip() else "webhook"
    svix_id, timestamp, signature = (
        request.headers.get(f"{prefix}-{name}", "").strip() for name in ("id", "timestamp", "signature")
    )
    if not (svix_id and timestamp and signature):
        raise NotVerified("missing_headers")
    entries = [entry for entry in signature.split(" ") if ENTRY.fullmatch(entry)]
    if not (ID.fullmatch(svix_id) and len(svix_id) <= MAX_ID_LENGTH and TIMESTAMP.fullmatch(timestamp) and entries):
        raise NotVerified("malformed_headers")
    return svix_id, timestamp, " ".join(entries)


def _check_clock(svix_id: str, timestamp: str, signature: str, body: str) -> None:
    """Reject old and future timestamps.

    The signature must be verified first. Anyone can send an old timestamp. With a valid signature, either the local
    clock is wrong or the request is a replay of a Svix delivery.
    """
    offset_s = int(time.time()) - int(timestamp)
    if abs(offset_s) <= TOLERANCE_S:
        return
    signed = f"{svix_id}.{timestamp}.{body}".encode()
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in settings.CLERK_WEBHOOK_SECRETS]
    expected = {f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}" for key in keys}
    if not any(hmac.compare_digest(entry, each) for entry in signature.split(" ") for each in expected):
        raise NotVerified("bad_signature")
    raise NotVerified("stale_timestamp" if offset_s > 0 else "future_timestamp", offset_s)


def _text(request: HttpRequest) -> str:
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotVerified("not_text") from None
    except UnreadablePostError:  # the connection broke, or the body is shorter than Content-Length
        raise NotVerified("unreadable_body") from None
