"""Parse Clerk's users and webhook events into typed values.

Only this module, `envelope`, `user_fields`, `session_payloads`, `organization_payloads` and `lead_payloads` read
dictionaries from Clerk directly. The data structures come from Clerk's OpenAPI file webhooks/2025-04-15.yml and from
captured deliveries. See docs/clerk.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from types import NoneType
from typing import Any

from accounts.clerk import user_fields
from accounts.clerk.envelope import event_time, mentioned_user, parse_envelope, request_context
from accounts.clerk.fields import ClerkPayloadError, KeyMissingError, parse_time, parse_user_id, version_of
from accounts.clerk.lead_payloads import LEAD_TYPES, ClerkLead, lead_parser
from accounts.clerk.organization_payloads import ORGANIZATION_PARSERS, OrganizationPayload
from accounts.clerk.session_payloads import ClerkSessionEnded, ClerkSessionStarted, session_ended, session_started
from accounts.models import User
from core.text import clean_line

#: These events contain valid one-time codes.
SECRET_TYPES = frozenset({"email.created", "sms.created"})
USER_TYPES = frozenset({"user.created", "user.updated", "user.deleted"})
#: A session was ended by the user, by an administrator, or by its time limit.
SESSION_END_TYPES = frozenset({"session.ended", "session.removed", "session.revoked"})


class Rank(IntEnum):
    """The order of user payloads with the same `updated_at`, from oldest to newest."""

    CREATED = 1
    UPDATED = 2
    FETCHED = 3


@dataclass(frozen=True, slots=True)
class ClerkUser:
    """The fields of a Clerk user object that this product stores.

    Attributes:
        missing: names of attributes whose keys are missing from the object. Their values are empty and must not be
            stored.
        roles: known roles in `public_metadata.roles`, or None if there is no such list.
        other_roles: the other values in the list, unchanged.
        metadata: values of any JSON type for the keys in `public_metadata` that are in `METADATA_KEYS`.
        version: a string that sorts one user's payloads by age. It contains updated_at, rank, event time and a digest.
    """

    clerk_id: str
    name: str
    username: str
    email: str | None
    email_verified_at: datetime | None
    image_url: str
    banned: bool
    locked: bool
    roles: list[User.Role] | None
    other_roles: list[Any]
    metadata: dict[str, Any]
    created_at: datetime | None
    updated_at: datetime
    rank: Rank
    version: str
    missing: frozenset[str] = frozenset()


#: For each attribute that depends on keys in the user object: its parser, and a function that returns its value if one
#: of these keys is missing.
_PARSERS: dict[str, tuple[Callable[[dict[str, Any]], Any], Callable[[], Any]]] = {
    "name": (user_fields.parse_name, str),
    "username": (user_fields.parse_username, str),
    "email": (user_fields.parse_email, NoneType),
    "email_verified_at": (user_fields.parse_email_verified_at, NoneType),
    "image_url": (user_fields.parse_image_url, str),
    "banned": (user_fields.parse_banned, bool),
    "locked": (user_fields.parse_locked, bool),
    "roles": (user_fields.parse_roles, NoneType),
    "other_roles": (user_fields.parse_other_roles, list),
    "metadata": (user_fields.parse_metadata, dict),
    "created_at": (user_fields.parse_created_at, NoneType),
}


@dataclass(frozen=True, slots=True)
class ClerkUserDeleted:
    """A user was deleted in Clerk. The id is optional in Clerk's schema and may be None."""

    clerk_id: str | None
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event with a type that this product does not handle."""

    clerk_id: str | None


type Subject = (
    ClerkUser
    | ClerkUserDeleted
    | ClerkSessionStarted
    | ClerkSessionEnded
    | OrganizationPayload
    | ClerkLead
    | UnknownEvent
)


@dataclass(frozen=True, slots=True)
class ClerkEvent:
    """A webhook event.

    Attributes:
        occurred_at: the envelope's `timestamp`, otherwise `data.updated_at` or None. The `svix-timestamp` header cannot
            replace it, because it contains the time of the delivery attempt and does not order events.
        ip_address, user_agent: the client of the user who caused the event, not Svix's.
    """

    type: str
    occurred_at: datetime | None
    clerk_id: str | None
    instance_id: str
    ip_address: str | None
    user_agent: str | None
    subject: Subject


@dataclass(frozen=True, slots=True)
class PartialEvent:
    """The readable fields of an event that `parse_event` rejected, so that operators can find it.

    Other fields are "" or None.
    """

    type: str = ""
    instance_id: str = ""
    clerk_id: str | None = None


def parse_partially(text: str) -> PartialEvent:
    """Return the readable fields of a body that `parse_event` rejected.

    They are for display only and must not be trusted.
    """
    try:
        envelope = parse_envelope(text)
    except ClerkPayloadError:
        return PartialEvent()
    return PartialEvent(
        type=clean_line(envelope.get("type"), limit=100),
        instance_id=clean_line(envelope.get("instance_id"), limit=64),
        clerk_id=mentioned_user(envelope.get("data")),
    )


def parse_event(text: str) -> ClerkEvent:
    """Parse the body of a verified delivery.

    Raises:
        ClerkPayloadError: the body is not JSON or does not match its type's schema. Unknown types are accepted.
    """
    envelope = parse_envelope(text)
    event_type = clean_line(envelope.get("type"), limit=100)
    if not event_type:
        raise ClerkPayloadError("The event has no type.", reason="no_type")
    ip_address, user_agent = request_context(envelope)
    occurred_at, subject = _parse_content(event_type, envelope)
    return ClerkEvent(
        type=event_type,
        occurred_at=occurred_at,
        clerk_id=subject.clerk_id,
        instance_id=clean_line(envelope.get("instance_id"), limit=64),
        ip_address=ip_address,
        user_agent=user_agent,
        subject=subject,
    )


def parse_user(data: object, *, rank: Rank, occurred_at: datetime) -> ClerkUser:
    """Parse a Clerk user object from an event or from the Backend API.

    Args:
        rank: the source of the object, which determines its order among objects of the same age.
        occurred_at: the time of the event or of the Backend API request.

    Raises:
        ClerkPayloadError: `data` is not an object, has no valid `id` or `updated_at`, or a value has the wrong type.
    """
    if not isinstance(data, dict):
        raise ClerkPayloadError("The user is not a JSON object.", reason="user_not_an_object")
    updated_at = parse_time(data.get("updated_at"), "data.updated_at")
    user_fields.check_types(data)
    values, missing = _parse_fields(data)
    return ClerkUser(
        clerk_id=parse_user_id(data.get("id")),
        updated_at=updated_at,
        rank=rank,
        version=version_of(data, updated_at=updated_at, rank=rank, occurred_at=occurred_at),
        missing=missing,
        **values,
    )


def _parse_fields(data: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the value of each attribute in `_PARSERS`, and the names of the attributes with missing keys."""
    values: dict[str, Any] = {}
    missing = set()
    for attribute, (parse, empty) in _PARSERS.items():
        try:
            values[attribute] = parse(data)
        except KeyMissingError:
            values[attribute] = empty()
            missing.add(attribute)
    return values, frozenset(missing)


def _parse_content(event_type: str, envelope: dict[str, Any]) -> tuple[datetime | None, Subject]:
    """Return an event's time and subject. Only the types in `PARSERS` are validated."""
    data, parse = envelope.get("data"), PARSERS.get(event_type)
    try:
        occurred_at = event_time(envelope, data)
    except ClerkPayloadError:
        if parse:
            raise
        return None, UnknownEvent(mentioned_user(data))
    # Deletions and session ends are final. If they have no time, the time of receipt is used.
    subject = parse(data, occurred_at or datetime.now(UTC)) if parse else UnknownEvent(mentioned_user(data))
    return occurred_at, subject


def _created(data: object, occurred_at: datetime) -> ClerkUser:
    return parse_user(data, rank=Rank.CREATED, occurred_at=occurred_at)


def _updated(data: object, occurred_at: datetime) -> ClerkUser:
    return parse_user(data, rank=Rank.UPDATED, occurred_at=occurred_at)


def _deleted(data: object, occurred_at: datetime) -> ClerkUserDeleted:
    if not isinstance(data, dict):
        raise ClerkPayloadError("The deleted user is not a JSON object.", reason="user_not_an_object")
    clerk_id = None if data.get("id") is None else parse_user_id(data["id"])
    return ClerkUserDeleted(clerk_id, occurred_at)


#: Parsers of the handled event types. https://clerk.com/docs/guides/development/webhooks/overview
PARSERS: dict[str, Callable[[object, datetime], Subject]] = {
    "user.created": _created,
    "user.updated": _updated,
    "user.deleted": _deleted,
    "session.created": session_started,
    **dict.fromkeys(SESSION_END_TYPES, session_ended),
    **{event_type: lead_parser(event_type) for event_type in LEAD_TYPES},
    **ORGANIZATION_PARSERS,
}
