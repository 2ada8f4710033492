"""Compare leads with Clerk's lists, because Clerk's list of events has no events about invitations."""

import logging
from collections.abc import Callable, Sequence

from django.db import transaction

from accounts.clerk import leads_api
from accounts.clerk.lead_payloads import ClerkLead
from accounts.leads import services
from accounts.models import Lead

log = logging.getLogger(__name__)
#: Maximum number of pages of 500 leads that are read from each list.
MAX_PAGES = 400
#: The columns to compare. The version is not compared, because it increases with every request.
COMPARED = ("state", "email", "invitation_id", "clerk_updated_at")


def refresh() -> int:
    """Store the leads that differ from Clerk's lists, and return how many were stored. Call this outside transactions."""
    return sum(
        _refresh(fetch) for fetch in (leads_api.list_entries, leads_api.list_invitations, leads_api.list_revoked)
    )


def _refresh(fetch: Callable[[int], leads_api.LeadPage]) -> int:
    stored, offset = 0, 0
    for _number in range(MAX_PAGES):
        page = fetch(offset)
        if page.unreadable:
            log.warning("Clerk's list contains %s leads that cannot be parsed.", page.unreadable)
        stored += _store(page.leads)
        offset += page.size
        if page.size < leads_api.PAGE_SIZE:
            break
    return stored


@transaction.atomic
def _store(leads: Sequence[ClerkLead]) -> int:
    found = Lead.objects.filter(lead_id__in=[lead.lead_id for lead in leads])
    known = {lead_id: values for lead_id, *values in found.values_list("lead_id", *COMPARED)}
    different = [lead for lead in leads if known.get(lead.lead_id) != _compared(lead)]
    return sum(services.store(different)) if different else 0


def _compared(lead: ClerkLead) -> list[object]:
    return [lead.state, lead.email, lead.invitation.lead_id if lead.invitation else "", lead.updated_at]
