"""Who posted it: the signature of a delivery, checked with Svix's own package on the raw bytes."""

import hashlib
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError
from svix.webhooks import Webhook

#: Svix's libraries accept five minutes either way. docs.svix.com/receiving/verifying-payloads/how-manual
TOLERANCE_S = 300
MAX_ID_LENGTH = 255
#: Svix's library passes over characters that are not base64, so another key, pasted by mistake, would do for it.
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]+={0,2}")
ID = re.compile(r"[!-~]+")
TIMESTAMP = re.compile(r"[0-9]{1,12}")
#: One entry of the signature header. Entries of other versions, and junk, are passed over as in Svix's Go and JavaScript
#: libraries; the Python one raises on them. The base64 of a SHA-256 digest always has this length.
ENTRY = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


class NotVerified(Exception):
    """A request that does not carry a good signature.

    Attributes:
        reason: the code that is told to the sender: missing_headers, malformed_headers, stale_timestamp,
            unreadable_body, not_text or bad_signature.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotConfigured(Exception):
    """CLERK_WEBHOOK_SECRET is not set, or is not a signing secret."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A verified request. `svix_id` is the id that was signed, the same on every retry."""

    svix_id: str
    body: str
    secret_fingerprint: str


def verify(request: HttpRequest) -> Delivery:
    """Return the delivery in `request`.

    Raises:
        NotVerified: anything is missing, malformed, too old, too new or wrong.
        NotConfigured: there is no secret to check with.
    """
    secrets = [(fingerprint(secret), _verifier(secret)) for secret in settings.CLERK_WEBHOOK_SECRETS]
    if not secrets:
        raise NotConfigured("CLERK_WEBHOOK_SECRET is not set; copy it from the endpoint's page in Clerk's dashboard.")
    svix_id, timestamp, signature = _headers(request)
    body = _text(request)
    # Only what is verified here is handed over, so no other spelling of a header can be the one that is believed.
    headers = {"svix-id": svix_id, "svix-timestamp": timestamp, "svix-signature": signature}
    for name, verifier in secrets:
        try:
            verifier.verify(body, headers)
        except Exception:  # noqa: BLE001, S112  # on strange input the library raises more than its own error
            continue
        return Delivery(svix_id, body, name)
    raise NotVerified("bad_signature")


def sign(body: str, secret: str, *, svix_id: str, at: datetime | None = None) -> dict[str, str]:
    """Return the headers of a delivery as Svix would send it, for tests and for `manage.py clerk_event`.

    Args:
        body: the text that will be sent, in UTF-8.
        secret: of the endpoint, whsec_ and base64.
        svix_id: the same for each delivery of one message.
        at: the time of the attempt; now if left out.

    Raises:
        NotConfigured: the secret is none.
    """
    moment = at or datetime.now(UTC)
    signature = _verifier(secret).sign(svix_id, moment, body)
    return {"svix-id": svix_id, "svix-timestamp": str(int(moment.timestamp())), "svix-signature": signature}


def fingerprint(secret: str) -> str:
    """Return a short name for a secret that tells nothing about it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def position(name: str) -> int | None:
    """Return which of the configured secrets has that fingerprint, from 1; None if none has any more."""
    names = [fingerprint(secret) for secret in settings.CLERK_WEBHOOK_SECRETS]
    return names.index(name) + 1 if name in names else None


def is_usable(secret: str) -> bool:
    """Return whether `secret` has the form of a signing secret."""
    try:
        _verifier(secret)
    except NotConfigured:
        return False
    return True


@lru_cache(maxsize=16)
def _verifier(secret: str) -> Webhook:
    try:
        if not SECRET.fullmatch(secret):
            raise ValueError("It has another form.")
        return Webhook(secret)
    except Exception as error:
        raise NotConfigured("CLERK_WEBHOOK_SECRET holds something that is not whsec_ and base64.") from error


def _headers(request: HttpRequest) -> tuple[str, str, str]:
    """Return id, timestamp and well-formed signatures from the svix-* headers, or from webhook-* where there are none."""
    prefix = "svix" if request.headers.get("svix-id", "").strip() else "webhook"
    svix_id, timestamp, signature = (
        request.headers.get(f"{prefix}-{name}", "").strip() for name in ("id", "timestamp", "signature")
    )
    if not (svix_id and timestamp and signature):
        raise NotVerified("missing_headers")
    entries = [entry for entry in signature.split(" ") if ENTRY.fullmatch(entry)]
    if not (ID.fullmatch(svix_id) and len(svix_id) <= MAX_ID_LENGTH and TIMESTAMP.fullmatch(timestamp) and entries):
        raise NotVerified("malformed_headers")
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        raise NotVerified("stale_timestamp")
    return svix_id, timestamp, " ".join(entries)


def _text(request: HttpRequest) -> str:
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotVerified("not_text") from None
    except UnreadablePostError:  # the connection broke, or the body is not as long as it says
        raise NotVerified("unreadable_body") from None
