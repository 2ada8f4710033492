"""Export and erase the personal data in the inbox; see core.personal_data."""

import json
import re
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from accounts.clerk.lead_payloads import IDS as LEAD_IDS
from accounts.clerk.lead_payloads import LEAD_TYPES
from accounts.clerk.organization_payloads import ORGANIZATION_INVITATION_TYPES
from accounts.clerk.payload_exports import own_payload
from accounts.leads import services as leads
from accounts.models import Lead, OrganizationInvitation, User
from core.personal_data import PersonalData
from webhooks.models import Attempt, ReplayFinding, WebhookEvent

#: An ID of a waitlist entry or an invitation, also in a payload that cannot be parsed.
LEAD_ID = re.compile("|".join(pattern.pattern for pattern in LEAD_IDS.values()))
#: Models that this module exports and erases.
COVERED = (WebhookEvent, Attempt, ReplayFinding)


def export(user: User) -> PersonalData:
    """Return the events about the user, with the personal data in their payloads, and events about the user's invitations."""
    invitations = _organization_invitation_events(user) | _lead_events(leads.leads_of(user))
    own = WebhookEvent.objects.filter(clerk_user_id=user.clerk_id) if user.clerk_id else WebhookEvent.objects.none()
    found = (own | invitations).order_by("id").iterator()
    return PersonalData({"events": [_exported(event) for event in found]})


def _exported(event: WebhookEvent) -> dict[str, Any]:
    return {
        "svix_id": event.svix_id,
        "event_type": event.event_type,
        "state": event.state,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "payload": None if event.payload is None else own_payload(event.event_type, event.payload),
    }


def erase(user: User) -> None:
    """Clear the payloads of the user's events. Events without a payload can no longer be applied."""
    if user.clerk_id:
        _clear(WebhookEvent.objects.filter(clerk_user_id=user.clerk_id))
    # Events about waitlist entries and invitations do not name a user. They are found with the IDs of the user's leads,
    # which accounts erases first.
    erase_leads(Lead.objects.filter(user=user).values_list("lead_id", flat=True))
    _clear(_organization_invitation_events(user))


def erase_leads(lead_ids: Iterable[str]) -> None:
    """Clear the payloads of events about waitlist entries and invitations.

    Args:
        lead_ids: Clerk's IDs.
    """
    for lead_id in lead_ids:
        _clear(_events_of(lead_id))


def clear_if_erased(new: Iterable[WebhookEvent]) -> None:
    """Clear the payloads of unsaved events about waitlist entries and invitations whose data was erased here.

    Clerk sends such events after an erasure, for example because an invitation was revoked for it.
    """
    named = [(event, set(LEAD_ID.findall(event.payload or ""))) for event in new if event.event_type in LEAD_TYPES]
    if not named:
        return
    found = Lead.objects.filter(lead_id__in=set[str]().union(*(lead_ids for _, lead_ids in named)))
    erased = set(found.exclude(erased_at=None).values_list("lead_id", flat=True))
    for event, lead_ids in named:
        if lead_ids & erased:
            event.payload, event.headers, event.last_error = None, {}, ""


def _lead_events(found: QuerySet[Lead]) -> QuerySet[WebhookEvent]:
    events = WebhookEvent.objects.none()
    for lead_id in found.values_list("lead_id", flat=True):
        events |= _events_of(lead_id)
    return events


def _events_of(lead_id: str) -> QuerySet[WebhookEvent]:
    return WebhookEvent.objects.filter(event_type__in=LEAD_TYPES, payload__contains=lead_id)


def _organization_invitation_events(user: User) -> QuerySet[WebhookEvent]:
    """Return the events about invitations to organizations that the user accepted or received.

    They name a user only if the invitation was accepted. accounts has erased the addresses in the database, but not in
    `user`. Invitations are deleted before the payloads of their events, so the address is necessary.
    """
    condition = Q(pk__in=[])
    if user.email and user.email_verified_at:
        for is_escaped in (True, False):
            condition |= Q(payload__icontains=json.dumps(user.email, ensure_ascii=is_escaped))
    invitations = OrganizationInvitation.objects.exclude(user_clerk_id="").filter(user_clerk_id=user.clerk_id or "")
    for clerk_id in invitations.values_list("clerk_id", flat=True):
        condition |= Q(payload__contains=clerk_id)
    return WebhookEvent.objects.filter(condition, event_type__in=ORGANIZATION_INVITATION_TYPES)


def _clear(events: QuerySet[WebhookEvent]) -> None:
    ids = list(events.values_list("pk", flat=True))
    ReplayFinding.objects.filter(event__in=ids).delete()  # findings would otherwise be kept for up to a day
    # Errors may quote personal data that could not be stored.
    Attempt.objects.filter(event__in=ids).update(error="", traceback="")
    WebhookEvent.objects.filter(pk__in=ids).update(payload=None, headers={}, last_error="")
