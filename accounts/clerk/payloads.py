"""Clerk's wire format, parsed once into typed values. No other module subscripts a Clerk dictionary.

Source of the shapes: Clerk's OpenAPI file webhooks/2025-04-15.yml and captured deliveries; docs/clerk.md has the details.
"""

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from accounts.clerk.text import clean_line
from accounts.models import User
from audit.requests import normalized

log = logging.getLogger(__name__)

#: A time before 1973 in ms is one of our days in s: Clerk's specification shows seconds, its deliveries milliseconds.
SECONDS_BELOW = 100_000_000_000
SESSION_ID = re.compile(r"sess_[A-Za-z0-9]{1,59}")
#: Bodies of these carry live one-time codes.
SECRET_TYPES = frozenset({"email.created", "sms.created"})
USER_TYPES = frozenset({"user.created", "user.updated", "user.deleted"})
#: However a session ended: by signing out, by time, by an operator.
SESSION_END_TYPES = frozenset({"session.ended", "session.removed", "session.revoked"})


class ClerkPayloadError(ValueError):
    """A payload that does not have the shape its type promises.

    Attributes:
        reason: a short code, such as `not_json` or `user_without_id`.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Rank(IntEnum):
    """How late in a user's life a payload was made, among those with the same `updated_at`."""

    CREATED = 1
    UPDATED = 2
    FETCHED = 3


@dataclass(frozen=True, slots=True)
class ClerkUser:
    """What we keep of a Clerk user object.

    Attributes:
        roles: known roles in `public_metadata.roles`; None if there is no such list.
        version: sorts payloads of one user by age, as text: updated_at, rank, event time, digest of the content.
    """

    clerk_id: str
    name: str
    username: str
    email: str | None
    email_verified_at: datetime | None
    image_url: str
    banned: bool
    roles: list[User.Role] | None
    updated_at: datetime
    rank: Rank
    version: str


@dataclass(frozen=True, slots=True)
class ClerkUserDeleted:
    """Clerk forgot a user. The id is None where Clerk left it out, which its schema allows."""

    clerk_id: str | None
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class ClerkSessionEnded:
    """A session is over; tokens of it may still be good for a minute."""

    clerk_id: str
    session_id: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of a type nothing here acts upon."""

    clerk_id: str | None


type Subject = ClerkUser | ClerkUserDeleted | ClerkSessionEnded | UnknownEvent


@dataclass(frozen=True, slots=True)
class ClerkEvent:
    """The envelope of a delivery and what it says.

    Attributes:
        occurred_at: when it happened at Clerk; None only where an unknown type does not say it. The svix-timestamp header
            is that of the attempt and orders nothing.
        ip_address, user_agent: of the person who caused it; never Svix's own.
    """

    type: str
    occurred_at: datetime | None
    instance_id: str
    ip_address: str | None
    user_agent: str | None
    subject: Subject


def parse_event(text: str) -> ClerkEvent:
    """Parse the verified body of a delivery.

    Raises:
        ClerkPayloadError: it is not JSON, or not the shape of its type. An unknown type is not an error.
    """
    envelope = _json_object(text)
    event_type = clean_line(envelope.get("type"), limit=100)
    if not event_type:
        raise ClerkPayloadError("The event has no type.", reason="no_type")
    ip_address, user_agent = _acting_person(envelope)
    occurred_at, subject = _content(event_type, envelope)
    return ClerkEvent(
        type=event_type,
        occurred_at=occurred_at,
        instance_id=clean_line(envelope.get("instance_id"), limit=64),
        ip_address=ip_address,
        user_agent=user_agent,
        subject=subject,
    )


def parse_user(data: object, *, rank: Rank, occurred_at: datetime) -> ClerkUser:
    """Parse a Clerk user object from an event or from the Backend API.

    Args:
        rank: how it came to us.
        occurred_at: the time in the envelope, or of the answer.

    Raises:
        ClerkPayloadError: it is not an object, or has no usable `id` or `updated_at`.
    """
    if not isinstance(data, dict):
        raise ClerkPayloadError("The user is not a JSON object.", reason="user_not_an_object")
    updated_at = _time(data.get("updated_at"), "data.updated_at")
    email, email_verified_at = _primary_email(data, updated_at)
    names = (clean_line(data.get(key), limit=100) for key in ("first_name", "last_name"))
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
    return ClerkUser(
        clerk_id=parse_user_id(data.get("id")),
        name=clean_line(" ".join(names), limit=200),
        username=clean_line(data.get("username"), limit=150),
        email=email,
        email_verified_at=email_verified_at,
        # Without a picture of the person's own, Clerk sends one it drew; our monogram is better.
        image_url="" if data.get("has_image") is False else _image_url(data.get("image_url")),
        # `banned` is administrative. `locked` is a pause after wrong passwords and is Clerk's own business.
        banned=data.get("banned") is True,
        roles=_roles(data.get("public_metadata")),
        updated_at=updated_at,
        rank=rank,
        version=f"{_ms(updated_at):015d}-{rank:d}-{_ms(occurred_at):015d}-{digest}",
    )


def _content(event_type: str, envelope: dict[str, Any]) -> tuple[datetime | None, Subject]:
    """Return when it happened and what it is about. Only the types acted upon have to have the expected shape."""
    data = envelope.get("data")
    try:
        occurred_at = _time(envelope.get("timestamp"), "timestamp")
    except ClerkPayloadError:
        if event_type in USER_TYPES | SESSION_END_TYPES:
            raise
        return None, UnknownEvent(_mentioned_user(data))
    match event_type:
        case "user.created":
            return occurred_at, parse_user(data, rank=Rank.CREATED, occurred_at=occurred_at)
        case "user.updated":
            return occurred_at, parse_user(data, rank=Rank.UPDATED, occurred_at=occurred_at)
        case "user.deleted":
            return occurred_at, _deleted(data, occurred_at)
    if event_type in SESSION_END_TYPES:
        return occurred_at, _session_ended(data, occurred_at)
    return occurred_at, UnknownEvent(_mentioned_user(data))


def _deleted(data: object, occurred_at: datetime) -> ClerkUserDeleted:
    if not isinstance(data, dict):
        raise ClerkPayloadError("The deleted user is not a JSON object.", reason="user_not_an_object")
    clerk_id = None if data.get("id") is None else parse_user_id(data["id"])
    return ClerkUserDeleted(clerk_id, occurred_at)


def _session_ended(data: object, occurred_at: datetime) -> ClerkSessionEnded:
    session_id = data.get("id") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(session_id, str) or not SESSION_ID.fullmatch(session_id):
        raise ClerkPayloadError("The session has no id of the form sess_….", reason="session_without_id")
    return ClerkSessionEnded(parse_user_id(data.get("user_id")), session_id, occurred_at)


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    # Numbers of 5,000 digits raise ValueError, 20,000 levels RecursionError.
    except (ValueError, RecursionError) as error:
        raise ClerkPayloadError(f"The body is not JSON: {error}", reason="not_json") from None
    if not isinstance(value, dict):
        raise ClerkPayloadError("The body is JSON but not an object.", reason="not_an_object")
    return value


def _acting_person(envelope: dict[str, Any]) -> tuple[str | None, str | None]:
    attributes = envelope.get("event_attributes")
    request = attributes.get("http_request") if isinstance(attributes, dict) else None
    if not isinstance(request, dict):
        return None, None
    address = request.get("client_ip")
    agent = clean_line(request.get("user_agent"), limit=500)
    return (normalized(address) if isinstance(address, str) else None), agent or None


def _time(value: object, field: str) -> datetime:
    """Return a Clerk time, which is in milliseconds, as an aware datetime."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClerkPayloadError(f"{field} is not a number of milliseconds.", reason="bad_time")
    try:
        moment = datetime.fromtimestamp(value if value < SECONDS_BELOW else value / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        moment = None
    if moment is None or moment.year < 1970:
        raise ClerkPayloadError(f"{field} is out of range.", reason="bad_time")
    return moment


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def parse_user_id(value: object) -> str:
    """Return the id of a user, which is safe in an address of the Backend API.

    Raises:
        ClerkPayloadError: it is not `user_` with up to 59 ASCII letters and digits behind it.
    """
    if not isinstance(value, str) or not value.startswith("user_") or not value.isascii():
        raise ClerkPayloadError("The user has no id of the form user_….", reason="user_without_id")
    if len(value) > 64 or not value[5:].isalnum():
        raise ClerkPayloadError("The id of the user has the wrong form.", reason="user_without_id")
    return value


def _mentioned_user(data: object) -> str | None:
    """Return the user an event of any type is about, for the list of events; never acted upon."""
    if not isinstance(data, dict):
        return None
    for key in ("user_id", "id"):
        try:
            return parse_user_id(data.get(key))
        except ClerkPayloadError:
            continue
    return None


def _primary_email(data: dict[str, Any], updated_at: datetime) -> tuple[str | None, datetime | None]:
    """Return the primary address and when it was verified.

    The primary is the one `primary_email_address_id` names; the order of the list means nothing. Clerk sends no time of
    verification, but verifying is what last touches an address, so its own `updated_at` stands for it.
    """
    addresses = data.get("email_addresses")
    primary_id = data.get("primary_email_address_id")
    for entry in addresses if isinstance(addresses, list) and primary_id else ():
        if isinstance(entry, dict) and entry.get("id") == primary_id:
            email = _email(entry.get("email_address"))
            verification = entry.get("verification")
            verified = isinstance(verification, dict) and verification.get("status") == "verified"
            return email, _verified_at(entry, updated_at) if email and verified else None
    return None, None


def _verified_at(entry: dict[str, Any], updated_at: datetime) -> datetime:
    try:
        return _time(entry.get("updated_at"), "email_addresses.updated_at")
    except ClerkPayloadError:
        return updated_at


def _email(value: object) -> str | None:
    """Return an address in lower case, because people type it either way and it is compared here."""
    email = clean_line(value, limit=255).lower()
    local, at, domain = email.rpartition("@")
    return email if at and local and domain and len(email) <= 254 and " " not in email else None


def _image_url(value: object) -> str:
    url = value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
    return url if url.startswith("https://") and len(url) <= 2000 and " " not in url else ""


def _roles(metadata: object) -> list[User.Role] | None:
    """Return the known roles in the fixed order. Only `public_metadata` counts: users can write `unsafe_metadata`."""
    names = metadata.get("roles") if isinstance(metadata, dict) else None
    if not isinstance(names, list):
        return None
    wanted = {name.strip().upper() for name in names if isinstance(name, str)}
    known = [role for role in User.Role if role in wanted]
    if len(known) < len(names):
        log.warning("Unknown or repeated roles in public_metadata.roles were left out; kept: %s", known)
    return known
