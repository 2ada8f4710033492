"""Store waitlist entries and invitations, in any order and any number of times, and link them to users."""

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.clerk.fields import normalize_email
from accounts.clerk.lead_payloads import ClerkLead
from accounts.models import Lead, User

#: The values of a lead for which no approval is queued.
NO_APPROVAL: dict[str, Any] = {
    "approval_requested_at": None,
    "approval_requested_by": None,
    "approval_reason": "",
    "approval_error": "",
}
#: Retention period for leads without a user, after their last change.
RETENTION = timedelta(days=365)

#: The version decides, so the last state is the same in every order. Rows are written in one order, so that concurrent
#: transactions cannot deadlock.
_STORE = """
INSERT INTO accounts_lead AS lead
    (lead_id, kind, state, email, invitation_id, clerk_created_at, clerk_updated_at, version)
SELECT lead_id, kind, state, email, invitation_id, clerk_created_at, clerk_updated_at, version
FROM json_to_recordset(%s::json) AS given (
    lead_id text, kind text, state text, email text, invitation_id text,
    clerk_created_at timestamptz, clerk_updated_at timestamptz, version text
)
ORDER BY lead_id
ON CONFLICT (lead_id) DO UPDATE SET
    state = excluded.state, email = excluded.email, invitation_id = excluded.invitation_id,
    clerk_created_at = excluded.clerk_created_at, clerk_updated_at = excluded.clerk_updated_at,
    version = excluded.version
WHERE lead.version COLLATE "C" < excluded.version COLLATE "C" AND lead.erased_at IS NULL
RETURNING lead_id
"""


def store(payloads: Sequence[ClerkLead]) -> list[bool]:
    """Store leads in one transaction, and return for each payload whether it, or its invitation, was newer.

    Executes two statements for any number of payloads.
    """
    newest: dict[str, ClerkLead] = {}
    for lead in _flat(payloads):
        known = newest.get(lead.lead_id)
        if known is None or known.version < lead.version:
            newest[lead.lead_id] = lead
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [json.dumps([_values(lead) for lead in newest.values()])])
        written = {lead_id for (lead_id,) in cursor.fetchall()}
    if written:
        link_users(Lead.objects.filter(lead_id__in=written))
    applied = {lead.version for lead in newest.values() if lead.lead_id in written}
    return [any(lead.version in applied for lead in _flat([payload])) for payload in payloads]


def _flat(payloads: Iterable[ClerkLead]) -> list[ClerkLead]:
    """Return the payloads together with the invitations in them."""
    return [lead for payload in payloads for lead in (payload, payload.invitation) if lead]


def _values(lead: ClerkLead) -> dict[str, str]:
    return {
        "lead_id": lead.lead_id,
        "kind": lead.kind,
        "state": lead.state,
        "email": lead.email,
        "invitation_id": lead.invitation.lead_id if lead.invitation else "",
        "clerk_created_at": lead.created_at.isoformat(),
        "clerk_updated_at": lead.updated_at.isoformat(),
        "version": lead.version,
    }


def link_users(leads: QuerySet[Lead]) -> int:
    """Link leads to the users with the same verified address, and return how many were linked.

    An address that Clerk has not verified may belong to another person.
    """
    owner = Subquery(_owners(OuterRef("email")).values("pk")[:1])
    unlinked = leads.filter(user=None, erased_at=None).alias(owner=owner).filter(owner__isnull=False)
    return unlinked.update(user=owner)


def owner_of(lead: Lead) -> User | None:
    """Return the user with the verified address of a lead, even if the job has not linked them yet."""
    return lead.user or (_owners(lead.email).first() if lead.email else None)


def _owners(email: str | OuterRef) -> QuerySet[User]:
    owners = User.objects.live().filter(clerk_id__isnull=False, email_verified_at__isnull=False)
    return owners.alias(lowered=Lower("email")).filter(lowered=email).order_by("pk")


def leads_of(user: User) -> QuerySet[Lead]:
    """Return the leads that are linked to this user, or that have the user's verified address."""
    email = normalize_email(user.email or "") if user.email_verified_at else None
    return Lead.objects.filter(Q(user=user) | Q(email=email, user=None) if email else Q(user=user))


def erase(leads: QuerySet[Lead], user: User | None = None) -> None:
    """Erase the personal data of leads. Their IDs are kept, so that a late event cannot restore the data."""
    linked = {"user": user} if user else {}
    leads.filter(erased_at=None).update(email="", reason="", erased_at=timezone.now(), **NO_APPROVAL, **linked)


def erase_expired() -> None:
    """Erase leads that never became users and have not changed for the retention period."""
    erase(Lead.objects.filter(user=None, clerk_updated_at__lte=timezone.now() - RETENTION))
