"""Clerk's wire format, parsed once into typed values. Besides it, only `fields` subscripts a Clerk dictionary.

Source of the shapes: Clerk's OpenAPI file webhooks/2025-04-15.yml and captured deliveries; docs/clerk.md has the details.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from accounts.clerk.fields import (
    ClerkPayloadError,
    image_url,
    parse_metadata,
    parse_time_or_none,
    parse_user_id,
    primary_email,
    read_roles,
    read_time,
    to_ms,
)
from accounts.models import User
from core.client_ip import normalized
from core.text import clean_line

SESSION_ID = re.compile(r"sess_[A-Za-z0-9]{1,59}")
#: Bodies of these carry live one-time codes.
SECRET_TYPES = frozenset({"email.created", "sms.created"})
USER_TYPES = frozenset({"user.created", "user.updated", "user.deleted"})
#: However a session ended: by signing out, by time, by an operator.
SESSION_END_TYPES = frozenset({"session.ended", "session.removed", "session.revoked"})


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
        other_roles: what else is in that list, as Clerk has it.
        metadata: those of `METADATA_KEYS` that `public_metadata` has, with values of any JSON type.
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
    other_roles: list[Any]
    metadata: dict[str, Any]
    created_at: datetime | None
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


@dataclass(frozen=True, slots=True)
class PartialEvent:
    """What can be told of an event that cannot be parsed, so that people find it: "" or None is what cannot."""

    type: str = ""
    instance_id: str = ""
    clerk_id: str | None = None


def parse_partially(text: str) -> PartialEvent:
    """Return what a body says of itself that `parse_event` refused. Nothing may be acted upon by it."""
    try:
        envelope = _json_object(text)
    except ClerkPayloadError:
        return PartialEvent()
    return PartialEvent(
        type=clean_line(envelope.get("type"), limit=100),
        instance_id=clean_line(envelope.get("instance_id"), limit=64),
        clerk_id=_mentioned_user(envelope.get("data")),
    )


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
    updated_at = read_time(data.get("updated_at"), "data.updated_at")
    email, email_verified_at = primary_email(data, updated_at)
    names = (clean_line(data.get(key), limit=100) for key in ("first_name", "last_name"))
    roles, other_roles = read_roles(data.get("public_metadata"))
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
    return ClerkUser(
        clerk_id=parse_user_id(data.get("id")),
        name=clean_line(" ".join(names), limit=200),
        username=clean_line(data.get("username"), limit=150),
        email=email,
        email_verified_at=email_verified_at,
        # Without a picture of the person's own, Clerk sends one it drew; our monogram is better.
        image_url="" if data.get("has_image") is False else image_url(data.get("image_url")),
        # `banned` is administrative. `locked` is a pause after wrong passwords and is Clerk's own business.
        banned=data.get("banned") is True,
        roles=roles,
        other_roles=other_roles,
        metadata=parse_metadata(data.get("public_metadata")),
        created_at=parse_time_or_none(data.get("created_at")),
        updated_at=updated_at,
        rank=rank,
        version=f"{to_ms(updated_at):015d}-{rank:d}-{to_ms(occurred_at):015d}-{digest}",
    )


def _content(event_type: str, envelope: dict[str, Any]) -> tuple[datetime | None, Subject]:
    """Return when it happened and what it is about. Only the types acted upon have to have the expected shape."""
    data = envelope.get("data")
    try:
        occurred_at = read_time(envelope.get("timestamp"), "timestamp")
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
