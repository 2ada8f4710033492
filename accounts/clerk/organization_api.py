"""The endpoints of Clerk's Backend API for organizations.

https://clerk.com/docs/reference/backend/organization/get-organization-list

Call these functions outside transactions. They raise the same exceptions as `accounts.clerk.http.request`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accounts.clerk import instance_guard
from accounts.clerk.fields import ClerkPayloadError, KeyMissingError, parse_user_id
from accounts.clerk.http import ClerkApiError, ClerkNotFoundError, request
from accounts.clerk.organization_payloads import (
    ClerkMembership,
    ClerkOrganization,
    ClerkOrganizationDeleted,
    ClerkOrganizationInvitation,
    Rank,
    list_entries,
    parse_id,
    parse_invitation,
    parse_membership,
    parse_organization,
)

#: Rows per page. Clerk's maximum is 500.
PAGE_SIZE = 500
#: Rows to repeat on the next page, because each deletion moves the following rows up by one.
PAGE_OVERLAP = 50
#: The ID of unreadable entries without an ID.
UNKNOWN_ID = "unknown"


@dataclass(frozen=True, slots=True)
class Page[Item]:
    """A page of a list.

    Attributes:
        unreadable: (id, error) of each entry that could not be parsed.
        count: the number of entries on the page, including unreadable ones.
    """

    items: list[Item]
    unreadable: list[tuple[str, str]]
    count: int

    @property
    def is_last(self) -> bool:
        return self.count < PAGE_SIZE


def list_organizations(offset: int = 0) -> Page[ClerkOrganization]:
    """Return a page of organizations in order of creation."""
    return _fetch_page("/v1/organizations", offset, parse_organization)


def list_memberships(offset: int = 0) -> Page[ClerkMembership]:
    """Return a page of the instance's memberships in order of creation."""
    return _fetch_page("/v1/organization_memberships", offset, parse_membership)


def list_invitations(offset: int = 0) -> Page[ClerkOrganizationInvitation]:
    """Return a page of the instance's invitations to organizations, in order of creation.

    Invitations that Clerk creates because of an organization's domain are not listed. One list for all organizations needs
    fewer requests than one list for each organization.

    Source: https://clerk.com/docs/reference/backend-api/tag/organization-invitations, ListInstanceOrganizationInvitations
    """
    # Requested explicitly, because Clerk's other lists of invitations omit some statuses by default.
    statuses = ["pending", "accepted", "revoked", "expired"]
    return _fetch_page("/v1/organization_invitations", offset, parse_invitation, status=statuses)


def list_membership_ids_of(clerk_id: str) -> set[str]:
    """Return the IDs of all memberships of a user, including unreadable ones. The set is empty for an unknown user.

    Raises:
        ClerkApiError: Clerk returned an entry without an ID, which could be any membership.
    """
    path, ids, offset = f"/v1/users/{parse_user_id(clerk_id)}/organization_memberships", set[str](), 0
    try:
        while True:
            page = _fetch_page(path, offset, parse_membership)
            ids |= {payload.membership_id for payload in page.items} | {key for key, _ in page.unreadable}
            if page.is_last:
                break
            # A membership that ends in the meantime moves the following entries up by one.
            offset += PAGE_SIZE - PAGE_OVERLAP
    except ClerkNotFoundError:
        instance_guard.verify_secret_key()
        return set()
    if UNKNOWN_ID in ids:
        raise ClerkApiError(f"Clerk's response to GET {path} contains an entry without an ID.")
    return ids


def delete_membership(organization_id: str, clerk_id: str) -> None:
    """Remove a user from an organization. Do nothing if the user is not a member."""
    path = (
        f"/v1/organizations/{parse_id(organization_id, 'org', 'organization_id')}/memberships/{parse_user_id(clerk_id)}"
    )
    try:
        request("DELETE", path)
    except ClerkNotFoundError:
        instance_guard.verify_secret_key()


def get_organization(organization_id: str) -> ClerkOrganization | ClerkOrganizationDeleted:
    """Return an organization's current data in Clerk, or a deletion if Clerk has no organization with this ID."""
    now = datetime.now(UTC)
    try:
        found = request("GET", f"/v1/organizations/{parse_id(organization_id, 'org', 'organization_id')}")
    except ClerkNotFoundError:
        # With another instance's key, Clerk returns 404 for all our organizations.
        instance_guard.verify_secret_key()
        return ClerkOrganizationDeleted(organization_id, now)
    try:
        return parse_organization(found, rank=Rank.FETCHED, occurred_at=now)
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's response for {organization_id} cannot be parsed: {error}") from error


def _fetch_page[Item](path: str, offset: int, parse: Callable[..., Item], **filters: list[str]) -> Page[Item]:
    now = datetime.now(UTC)
    query = {"limit": str(PAGE_SIZE), "offset": str(offset), "order_by": "+created_at", **filters}
    found = request("GET", path, query=query)
    try:
        entries = list_entries(found, path)
    except (ClerkPayloadError, KeyMissingError):
        raise ClerkApiError(f"Clerk's response to GET {path} has no list of data.") from None
    page = Page[Item]([], [], len(entries))
    for entry in entries:
        try:
            page.items.append(parse(entry, rank=Rank.FETCHED, occurred_at=now))
        except ClerkPayloadError as error:
            page.unreadable.append((_id_of(entry), str(error)))
    return page


def _id_of(entry: Any) -> str:
    clerk_id = entry.get("id") if isinstance(entry, dict) else None
    return clerk_id if isinstance(clerk_id, str) and clerk_id else UNKNOWN_ID
