"""Parse Clerk's waitlist entries and invitations into typed values.

The data structures come from Clerk's OpenAPI files webhooks/2025-04-15.yml and bapi/2026-05-12.yml. Clerk's list of events
has no events about invitations. If they arrive, their data is read in the same way as an invitation from the Backend API.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar

from accounts.clerk.fields import ClerkPayloadError, normalize_email, parse_time, to_ms
from accounts.models import Lead

WAITLIST_TYPES = frozenset({"waitlistEntry.created", "waitlistEntry.updated"})
INVITATION_TYPES = frozenset({"invitation.created", "invitation.accepted", "invitation.revoked"})
LEAD_TYPES = WAITLIST_TYPES | INVITATION_TYPES

Kind, State = Lead.Kind, Lead.State
IDS = {Kind.WAITLIST: re.compile(r"wle_[A-Za-z0-9]{1,59}"), Kind.INVITATION: re.compile(r"inv_[A-Za-z0-9]{1,59}")}
_STATUSES = {
    Kind.WAITLIST: (State.WAITING, State.INVITED, State.COMPLETED, State.REJECTED),
    Kind.INVITATION: (State.WAITING, State.ACCEPTED, State.REVOKED, State.EXPIRED),
}


class LeadRank(IntEnum):
    """The order of payloads with the same `updated_at`, from oldest to newest."""

    CREATED = 1
    CHANGED = 2
    FETCHED = 3


@dataclass(frozen=True, slots=True)
class ClerkLead:
    """A waitlist entry or an invitation.

    Attributes:
        clerk_id: None, because the event is not about a user.
        invitation: the invitation that a waitlist entry contains.
        version: a string that sorts one lead's payloads by age. It contains updated_at, rank, event time and a digest.
    """

    clerk_id: ClassVar[None] = None
    lead_id: str
    kind: Lead.Kind
    state: Lead.State
    email: str
    created_at: datetime
    updated_at: datetime
    version: str
    invitation: "ClerkLead | None" = None


def lead_parser(event_type: str) -> Callable[[object, datetime], ClerkLead]:
    """Return the parser of an event's data."""
    rank = LeadRank.CREATED if event_type.endswith(".created") else LeadRank.CHANGED
    kind = Kind.WAITLIST if event_type in WAITLIST_TYPES else Kind.INVITATION

    def parse(data: object, occurred_at: datetime) -> ClerkLead:
        return parse_lead(data, kind, rank=rank, occurred_at=occurred_at)

    return parse


def parse_lead(data: object, kind: Lead.Kind, *, rank: LeadRank, occurred_at: datetime) -> ClerkLead:
    """Parse a waitlist entry or an invitation from an event or from the Backend API.

    Raises:
        ClerkPayloadError: the ID, the address, a time or the contained invitation is invalid.
    """
    if not isinstance(data, dict):
        raise ClerkPayloadError(f"The {kind.name.lower()} is not a JSON object.", reason="lead_not_an_object")
    updated_at = parse_time(data.get("updated_at"), "data.updated_at")
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
    found = data.get("invitation") if kind == Kind.WAITLIST else None
    return ClerkLead(
        lead_id=parse_lead_id(data.get("id"), kind),
        kind=kind,
        state=_state(data, kind),
        email=_email(data),
        created_at=parse_time(data.get("created_at"), "data.created_at"),
        updated_at=updated_at,
        version=f"{to_ms(updated_at):015d}-{rank:d}-{to_ms(occurred_at):015d}-{digest}",
        invitation=None if found is None else parse_lead(found, Kind.INVITATION, rank=rank, occurred_at=occurred_at),
    )


def listed(found: object) -> list[object]:
    """Return the entries of a list from the Backend API. The waitlist is an object, and invitations are an array.

    Raises:
        ClerkPayloadError: the response is not a list.
    """
    entries = found.get("data") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise ClerkPayloadError("The response is not a list.", reason="wrong_type")
    return entries


def parse_lead_id(value: object, kind: Lead.Kind) -> str:
    """Validate an ID, so that it is safe in a Backend API URL."""
    if not isinstance(value, str) or not IDS[kind].fullmatch(value):
        prefix = IDS[kind].pattern[:4]
        raise ClerkPayloadError(f"The ID must be {prefix} and up to 59 letters and digits.", reason="lead_without_id")
    return value


def _state(data: dict[str, Any], kind: Lead.Kind) -> Lead.State:
    """Return the status. A status that is not documented is shown as unknown, so that the lead is not lost."""
    status = data.get("status")
    if not isinstance(status, str):
        raise ClerkPayloadError("data.status is not a string.", reason="wrong_type")
    return State(status) if status in _STATUSES[kind] else State.UNKNOWN


def _email(data: dict[str, Any]) -> str:
    value = data.get("email_address")
    email = normalize_email(value) if isinstance(value, str) else None
    if email is None:
        raise ClerkPayloadError("data.email_address is not an email address.", reason="lead_without_email")
    return email
