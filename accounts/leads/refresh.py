"""Compare leads with Clerk's lists, because Clerk has no events about invitations or deleted waitlist entries."""

import logging
from collections.abc import Callable, Sequence

from django.db import transaction
from django.utils import timezone

from accounts.clerk import instance_guard, leads_api
from accounts.clerk.lead_payloads import ClerkLead
from accounts.leads import services
from accounts.models import Lead

log = logging.getLogger(__name__)
#: Maximum number of pages of 500 leads that are read from each list.
MAX_PAGES = 400
#: Entries are not marked as deleted if more than this and more than 5 % are missing, or if Clerk's list is shorter than
#: the number of missing entries. The waitlist may be turned off, and marked entries are erased after 30 days.
MAX_DELETIONS = 10
#: The columns to compare. The version is not compared, because it increases with every request.
COMPARED = ("state", "email", "invitation_id", "clerk_updated_at")


def refresh() -> int:
    """Store the leads that differ from Clerk's lists, and return how many were stored. Call this outside transactions.

    Waitlist entries that are missing from Clerk's list were deleted there, because no event reports that.
    """
    entries = Lead.objects.filter(kind=Lead.Kind.WAITLIST, erased_at=None).exclude(state=Lead.State.DELETED)
    known = set(entries.values_list("lead_id", flat=True))
    stored, listed = _read(leads_api.list_entries)
    missing = known - listed if listed is not None else set()
    stored += sum(_read(fetch)[0] for fetch in (leads_api.list_invitations, leads_api.list_revoked))
    return stored + (_mark_deleted(missing) if missing else 0)


def _mark_deleted(lead_ids: set[str]) -> int:
    """Mark entries as deleted if they are also missing from a second reading, unless suspiciously many are missing.

    Entries move to other pages when Clerk's list changes while it is read. An entry that is listed again later gets its
    state back.
    """
    instance_guard.verify_secret_key()
    _, listed = _read(leads_api.list_entries)
    missing = lead_ids - listed if listed is not None else set()
    if listed is not None and len(missing) > min(len(listed), max(MAX_DELETIONS, len(listed) // 20)):
        log.error(
            "%s entries are missing from Clerk's waitlist. None was marked as deleted, because this is an unusually large "
            "number. Check CLERK_SECRET_KEY and that the waitlist is turned on in Clerk's dashboard. If the entries were "
            "deleted on purpose, erase each on its page under Leads in the admin.",
            len(missing),
        )
        return 0
    entries = Lead.objects.filter(lead_id__in=missing, erased_at=None)
    return entries.update(state=Lead.State.DELETED, clerk_updated_at=timezone.now())


def _read(fetch: Callable[[int], leads_api.LeadPage]) -> tuple[int, set[str] | None]:
    """Read a list, and return the number of leads that were stored and all IDs, or None if the list is incomplete."""
    stored, offset, listed = 0, 0, set[str]()
    is_complete = True
    for _number in range(MAX_PAGES):
        page = fetch(offset)
        if page.unreadable:
            is_complete = False
            log.warning("Clerk's list contains %s leads that cannot be parsed.", page.unreadable)
        stored += _store(page.leads)
        listed.update(lead.lead_id for lead in page.leads)
        offset += page.size
        if page.size < leads_api.PAGE_SIZE:
            return stored, listed if is_complete else None
    return stored, None


@transaction.atomic
def _store(leads: Sequence[ClerkLead]) -> int:
    found = Lead.objects.filter(lead_id__in=[lead.lead_id for lead in leads])
    known = {lead_id: values for lead_id, *values in found.values_list("lead_id", *COMPARED)}
    different = [lead for lead in leads if known.get(lead.lead_id) != _compared(lead)]
    return sum(services.store(different)) if different else 0


def _compared(lead: ClerkLead) -> list[object]:
    return [lead.state, lead.email, lead.invitation.lead_id if lead.invitation else "", lead.updated_at]
