"""Parse the organizations, memberships and organization invitations in Clerk's events and API responses.

https://clerk.com/docs/reference/backend/types/backend-organization-membership
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar

from accounts.clerk.fields import (
    ClerkPayloadError,
    KeyMissingError,
    normalize_email,
    parse_time,
    parse_user_id,
    read,
    version_of,
)
from core.text import clean_line

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
#: The role's key in Clerk, such as org:admin.
ROLE = re.compile(r"[A-Za-z0-9_:.-]{1,100}")


class Rank(IntEnum):
    """The order of an object's payloads with the same `updated_at`, from oldest to newest."""

    EMBEDDED = 0  # part of another object
    CREATED = 1
    UPDATED = 2
    FETCHED = 3


@dataclass(frozen=True, slots=True)
class ClerkOrganization:
    """An organization. `slug` is "" if Clerk has none, or if it cannot be part of a URL.

    Attributes:
        version: sorts one organization's payloads by age. See `accounts.clerk.fields.version_of`.
    """

    clerk_id: ClassVar[None] = None
    organization_id: str
    name: str
    slug: str
    image_url: str
    created_at: datetime | None
    updated_at: datetime
    version: str


@dataclass(frozen=True, slots=True)
class ClerkOrganizationDeleted:
    """An organization was deleted in Clerk. The ID is optional in Clerk's schema and may be None."""

    clerk_id: ClassVar[None] = None
    organization_id: str | None
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class ClerkMembership:
    """A user's membership in an organization. Clerk's payload contains the organization.

    Attributes:
        clerk_id: the Clerk ID of the member.
        role: the role's key, such as org:admin.
    """

    clerk_id: str
    membership_id: str
    organization: ClerkOrganization
    role: str
    role_name: str
    created_at: datetime | None
    updated_at: datetime
    version: str

    @property
    def organization_id(self) -> str:
        return self.organization.organization_id


@dataclass(frozen=True, slots=True)
class ClerkMembershipDeleted:
    """A user left an organization or was removed from it. Clerk's payload contains the whole membership."""

    clerk_id: str
    membership_id: str
    organization_id: str
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class ClerkOrganizationInvitation:
    """An invitation to an organization by email.

    Attributes:
        clerk_id: the Clerk ID of the user who accepted the invitation, if any.
        status: pending, accepted, revoked or expired.
    """

    clerk_id: str | None
    invitation_id: str
    organization_id: str
    email: str
    role: str
    status: str
    expires_at: datetime | None
    updated_at: datetime
    version: str


type OrganizationPayload = (
    ClerkOrganization
    | ClerkOrganizationDeleted
    | ClerkMembership
    | ClerkMembershipDeleted
    | ClerkOrganizationInvitation
)


def parse_organization(data: object, *, rank: Rank, occurred_at: datetime) -> ClerkOrganization:
    """Parse an organization from an event or from the Backend API.

    Raises:
        ClerkPayloadError: `data` has no valid `id`, `name` or `updated_at`, or a value has the wrong type.
    """
    fields = _object(data, "data")
    updated_at = parse_time(fields.get("updated_at"), "data.updated_at")
    version = version_of(fields, updated_at=updated_at, rank=rank, occurred_at=occurred_at)
    return _organization(fields, version, "data")


def _embedded_organization(data: object) -> ClerkOrganization:
    """Parse the organization in a membership. Its version depends only on its content, so repeats change nothing."""
    path = "data.organization"
    fields = _object(data, path)
    updated_at = parse_time(fields.get("updated_at"), f"{path}.updated_at")
    content = {key: fields.get(key) for key in ("name", "slug", "has_image", "image_url")}
    version = version_of(content, updated_at=updated_at, rank=Rank.EMBEDDED, occurred_at=updated_at)
    return _organization(fields, version, path)


def _organization(fields: dict[str, Any], version: str, path: str) -> ClerkOrganization:
    return ClerkOrganization(
        organization_id=parse_id(fields.get("id"), "org", f"{path}.id"),
        name=clean_line(_text(fields, "name", path, required=True), limit=200),
        slug=_slug(_text(fields, "slug", path)),
        image_url=_image_url(fields, path),
        created_at=_time(fields, "created_at", path),
        updated_at=parse_time(fields.get("updated_at"), f"{path}.updated_at"),
        version=version,
    )


def parse_membership(data: object, *, rank: Rank, occurred_at: datetime) -> ClerkMembership:
    """Parse a membership from an event or from the Backend API.

    Raises:
        ClerkPayloadError: `data` has no valid ID, organization, user or role, or a value has the wrong type.
    """
    fields = _object(data, "data")
    updated_at = parse_time(fields.get("updated_at"), "data.updated_at")
    return ClerkMembership(
        clerk_id=_member(fields),
        membership_id=parse_id(fields.get("id"), "orgmem", "data.id"),
        organization=_embedded_organization(fields.get("organization")),
        role=_role(fields),
        role_name=clean_line(_text(fields, "role_name", "data"), limit=100),
        created_at=_time(fields, "created_at", "data"),
        updated_at=updated_at,
        version=version_of(fields, updated_at=updated_at, rank=rank, occurred_at=occurred_at),
    )


def list_entries(response: object, path: str) -> list[Any]:
    """Return the entries in a response of the Backend API, which contains them as `data`."""
    return read(_object(response, path), "data", list, path=path)


def parse_id(value: object, prefix: str, field: str) -> str:
    """Validate an ID, so that it is safe in a Backend API URL.

    Raises:
        ClerkPayloadError: `value` is not the prefix, an underscore, and ASCII letters and digits.
    """
    if not isinstance(value, str) or not re.fullmatch(rf"{prefix}_[A-Za-z0-9]{{1,56}}", value):
        raise ClerkPayloadError(f"{field} is not an ID that starts with {prefix}_.", reason="invalid_id")
    return value


def _organization_created(data: object, occurred_at: datetime) -> ClerkOrganization:
    return parse_organization(data, rank=Rank.CREATED, occurred_at=occurred_at)


def _organization_updated(data: object, occurred_at: datetime) -> ClerkOrganization:
    return parse_organization(data, rank=Rank.UPDATED, occurred_at=occurred_at)


def _organization_deleted(data: object, occurred_at: datetime) -> ClerkOrganizationDeleted:
    found = _object(data, "data").get("id")
    return ClerkOrganizationDeleted(None if found is None else parse_id(found, "org", "data.id"), occurred_at)


def _membership_created(data: object, occurred_at: datetime) -> ClerkMembership:
    return parse_membership(data, rank=Rank.CREATED, occurred_at=occurred_at)


def _membership_updated(data: object, occurred_at: datetime) -> ClerkMembership:
    return parse_membership(data, rank=Rank.UPDATED, occurred_at=occurred_at)


def _membership_deleted(data: object, occurred_at: datetime) -> ClerkMembershipDeleted:
    fields = _object(data, "data")
    organization = _object(fields.get("organization"), "data.organization")
    return ClerkMembershipDeleted(
        clerk_id=_member(fields),
        membership_id=parse_id(fields.get("id"), "orgmem", "data.id"),
        organization_id=parse_id(organization.get("id"), "org", "data.organization.id"),
        deleted_at=occurred_at,
    )


def _invitation(rank: Rank) -> Callable[[object, datetime], ClerkOrganizationInvitation]:
    def parse(data: object, occurred_at: datetime) -> ClerkOrganizationInvitation:
        return parse_invitation(data, rank=rank, occurred_at=occurred_at)

    return parse


def parse_invitation(data: object, *, rank: Rank, occurred_at: datetime) -> ClerkOrganizationInvitation:
    """Parse an organization invitation from an event.

    Raises:
        ClerkPayloadError: `data` has no valid ID, organization or email address, or a value has the wrong type.
    """
    fields = _object(data, "data")
    updated_at = parse_time(fields.get("updated_at"), "data.updated_at")
    email = normalize_email(_text(fields, "email_address", "data", required=True))
    if email is None:
        raise ClerkPayloadError("data.email_address is not an email address.", reason="invalid_email")
    return ClerkOrganizationInvitation(
        clerk_id=parse_user_id(fields["user_id"]) if fields.get("user_id") else None,
        invitation_id=parse_id(fields.get("id"), "orginv", "data.id"),
        organization_id=parse_id(fields.get("organization_id"), "org", "data.organization_id"),
        email=email,
        role=_role(fields),
        status=clean_line(_text(fields, "status", "data", required=True), limit=32),
        expires_at=_time(fields, "expires_at", "data"),
        updated_at=updated_at,
        version=version_of(fields, updated_at=updated_at, rank=rank, occurred_at=occurred_at),
    )


def _object(data: object, path: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ClerkPayloadError(f"{path} is not an object.", reason="wrong_type")
    return data


def _text(fields: dict[str, Any], key: str, path: str, *, required: bool = False) -> str:
    try:
        return read(fields, key, str, path=path)
    except KeyMissingError:
        if required:
            raise ClerkPayloadError(f"{path}.{key} is missing.", reason="key_missing") from None
        return ""


def _time(fields: dict[str, Any], key: str, path: str) -> datetime | None:
    return None if fields.get(key) is None else parse_time(fields[key], f"{path}.{key}")


def _member(fields: dict[str, Any]) -> str:
    return parse_user_id(_object(fields.get("public_user_data"), "data.public_user_data").get("user_id"))


def _role(fields: dict[str, Any]) -> str:
    role = _text(fields, "role", "data", required=True)
    if not ROLE.fullmatch(role):
        raise ClerkPayloadError("data.role is not the key of a role.", reason="invalid_role")
    return role


def _slug(slug: str) -> str:
    return slug if SLUG.fullmatch(slug) else ""


def _image_url(fields: dict[str, Any], path: str) -> str:
    """Return the URL of an uploaded image. Images generated by Clerk are ignored in favour of our monogram."""
    url = _text(fields, "image_url", path)
    is_valid = url.isascii() and url.isprintable() and url.startswith("https://") and " " not in url
    return url if fields.get("has_image") is True and is_valid and len(url) <= 2000 else ""


#: Parsers by event type. https://clerk.com/docs/guides/development/webhooks/overview
ORGANIZATION_PARSERS: dict[str, Callable[[object, datetime], OrganizationPayload]] = {
    "organization.created": _organization_created,
    "organization.updated": _organization_updated,
    "organization.deleted": _organization_deleted,
    "organizationMembership.created": _membership_created,
    "organizationMembership.updated": _membership_updated,
    "organizationMembership.deleted": _membership_deleted,
    "organizationInvitation.created": _invitation(Rank.CREATED),
    "organizationInvitation.accepted": _invitation(Rank.UPDATED),
    "organizationInvitation.revoked": _invitation(Rank.UPDATED),
}
ORGANIZATION_INVITATION_TYPES = frozenset(
    event_type for event_type in ORGANIZATION_PARSERS if event_type.startswith("organizationInvitation.")
)
