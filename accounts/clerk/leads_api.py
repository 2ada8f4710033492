"""The endpoints of Clerk's Backend API for the waitlist and for invitations.

https://clerk.com/docs/reference/backend-api/tag/waitlist-entries
https://clerk.com/docs/reference/backend-api/tag/invitations

Call these functions outside transactions. They raise the same exceptions as `accounts.clerk.http.request`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.clerk.fields import ClerkPayloadError
from accounts.clerk.http import request
from accounts.clerk.lead_payloads import ClerkLead, LeadRank, listed, parse_lead, parse_lead_id
from accounts.models import Lead

Kind = Lead.Kind
#: Number of leads per page. Clerk's maximum is 500.
PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class LeadPage:
    """A page of Clerk's waitlist or invitations.

    Attributes:
        size: the number of entries on the page, including entries that could not be parsed.
        unreadable: the number of entries that could not be parsed.
    """

    leads: list[ClerkLead]
    size: int
    unreadable: int


def list_entries(offset: int = 0) -> LeadPage:
    return _fetch_page("/v1/waitlist_entries", Kind.WAITLIST, offset)


def list_invitations(offset: int = 0) -> LeadPage:
    """Return a page of invitations. Clerk lists revoked invitations only on request."""
    return _fetch_page("/v1/invitations", Kind.INVITATION, offset)


def list_revoked(offset: int = 0) -> LeadPage:
    return _fetch_page("/v1/invitations", Kind.INVITATION, offset, status="revoked")


def approve_entry(lead_id: str) -> ClerkLead:
    """Approve a waitlist entry. Clerk sends an invitation to its address."""
    return _change_entry(lead_id, "invite", {"ignore_existing": False})


def reject_entry(lead_id: str) -> ClerkLead:
    return _change_entry(lead_id, "reject", None)


def revoke_invitation(lead_id: str) -> ClerkLead:
    """Make the link in an invitation invalid. The person can still sign up if the instance allows everyone to."""
    path = f"/v1/invitations/{parse_lead_id(lead_id, Kind.INVITATION)}/revoke"
    return _parse(request("POST", path), Kind.INVITATION)


def delete_entry(lead_id: str) -> None:
    """Delete a pending waitlist entry. https://clerk.com/docs/reference/backend/waitlist-entries/delete"""
    request("DELETE", f"/v1/waitlist_entries/{parse_lead_id(lead_id, Kind.WAITLIST)}")


def invite(email: str, *, roles: Sequence[str], sign_up_url: str) -> ClerkLead:
    """Send an invitation by email. See `accounts.clerk.api.send_invitation`."""
    return _parse(api.send_invitation(email, roles=roles, sign_up_url=sign_up_url), Kind.INVITATION)


def _change_entry(lead_id: str, verb: str, body: dict[str, Any] | None) -> ClerkLead:
    path = f"/v1/waitlist_entries/{parse_lead_id(lead_id, Kind.WAITLIST)}/{verb}"
    return _parse(request("POST", path, body=body), Kind.WAITLIST)


def _fetch_page(path: str, kind: Lead.Kind, offset: int, **filters: str) -> LeadPage:
    now = datetime.now(UTC)
    found = request("GET", path, query={"limit": str(PAGE_SIZE), "offset": str(offset)} | filters)
    try:
        entries = listed(found)
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's response to GET {path} cannot be parsed: {error}") from error
    leads = []
    for entry in entries:
        with suppress(ClerkPayloadError):
            leads.append(parse_lead(entry, kind, rank=LeadRank.FETCHED, occurred_at=now))
    return LeadPage(leads, len(entries), len(entries) - len(leads))


def _parse(response: object, kind: Lead.Kind) -> ClerkLead:
    try:
        return parse_lead(response, kind, rank=LeadRank.FETCHED, occurred_at=datetime.now(UTC))
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's response cannot be parsed: {error}") from error
