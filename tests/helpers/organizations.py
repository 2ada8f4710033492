"""Organizations, memberships and invitations in Clerk's wire format."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self

from accounts.clerk import samples

_random = Random()
SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)


def new_id(prefix: str) -> str:
    return samples.new_id(_random, prefix)


@dataclass(frozen=True, slots=True)
class SampleOrganization:
    name: str = "Harbor Studio"
    slug: str | None = "harbor-studio"
    clerk_id: str = field(default_factory=lambda: new_id("org"))
    created_at: datetime = SINCE
    updated_at: datetime = SINCE

    def with_changes(self, delay: timedelta = timedelta(seconds=1), **fields: Any) -> Self:
        return replace(self, **{"updated_at": self.updated_at + delay} | fields)

    def data(self) -> dict[str, Any]:
        return {
            "object": "organization",
            "id": self.clerk_id,
            "name": self.name,
            "slug": self.slug,
            "has_image": True,
            "image_url": f"https://img.clerk.com/{self.clerk_id}",
            "members_count": 1,
            "public_metadata": {},
            "created_at": samples.milliseconds(self.created_at),
            "updated_at": samples.milliseconds(self.updated_at),
        }

    def event(self, verb: str) -> dict[str, Any]:
        """Return organization.created, organization.updated or organization.deleted."""
        data = {"object": "organization", "id": self.clerk_id, "slug": self.slug, "deleted": True}
        return samples.event(
            f"organization.{verb}", data if verb == "deleted" else self.data(), occurred_at=self.updated_at
        )


@dataclass(frozen=True, slots=True)
class SampleMembership:
    organization: SampleOrganization
    user_id: str
    role: str = "org:member"
    clerk_id: str = field(default_factory=lambda: new_id("orgmem"))
    updated_at: datetime = SINCE

    def with_changes(self, delay: timedelta = timedelta(seconds=1), **fields: Any) -> Self:
        return replace(self, **{"updated_at": self.updated_at + delay} | fields)

    def data(self) -> dict[str, Any]:
        return {
            "object": "organization_membership",
            "id": self.clerk_id,
            "role": self.role,
            "role_name": self.role.removeprefix("org:").title(),
            "permissions": ["org:sys_memberships:read"],
            "public_metadata": {},
            "organization": self.organization.data(),
            "public_user_data": {"user_id": self.user_id, "identifier": "zofia@example.com"},
            "created_at": samples.milliseconds(SINCE),
            "updated_at": samples.milliseconds(self.updated_at),
        }

    def event(self, verb: str) -> dict[str, Any]:
        """Return organizationMembership.created, .updated or .deleted."""
        return samples.event(f"organizationMembership.{verb}", self.data(), occurred_at=self.updated_at)


@dataclass(frozen=True, slots=True)
class SampleInvitation:
    organization: SampleOrganization
    email: str = "invited@example.com"
    clerk_id: str = field(default_factory=lambda: new_id("orginv"))
    user_id: str | None = None
    updated_at: datetime = SINCE

    def data(self, verb: str) -> dict[str, Any]:
        return {
            "object": "organization_invitation",
            "id": self.clerk_id,
            "email_address": self.email,
            "role": "org:member",
            "organization_id": self.organization.clerk_id,
            "status": {"created": "pending"}.get(verb, verb),
            "user_id": self.user_id if verb == "accepted" else None,
            "expires_at": samples.milliseconds(self.updated_at + timedelta(days=7)),
            "created_at": samples.milliseconds(SINCE),
            "updated_at": samples.milliseconds(self.updated_at),
        }

    def event(self, verb: str) -> dict[str, Any]:
        """Return organizationInvitation.created, .accepted or .revoked."""
        return samples.event(f"organizationInvitation.{verb}", self.data(verb), occurred_at=self.updated_at)
