"""Erase the personal data of a lead at an admin's request, or after it was deleted in Clerk.

Other leads are erased with their user, or after the retention period. See `accounts.leads.services`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet, TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.clerk import instance_guard, leads_api
from accounts.clerk.api import ClerkApiError, ClerkNotFoundError
from accounts.leads import services
from accounts.leads.decisions import DecisionError, exclusive, require_admin
from accounts.models import Lead
from accounts.privacy.erasure import BATCH, RETENTION
from accounts.signals import leads_erased
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.redaction import redact_text

Kind, State = Lead.Kind, Lead.State


class ErasureReason(TextChoices):
    """Fixed reasons, because a text by an admin may name the person, and the audit row is permanent."""

    REQUESTED = "requested", gettext_lazy("The person asked for it")
    MISTAKE = "mistake", gettext_lazy("Spam, or entered by mistake")
    UNNEEDED = "unneeded", gettext_lazy("No longer needed")


def leads_to_erase(lead: Lead) -> QuerySet[Lead]:
    """Return a lead with the invitation for it, or the waitlist entry of an invitation. They have the same address."""
    same_person = Q(pk=lead.pk) | Q(invitation_id=lead.lead_id)
    if lead.invitation_id:
        same_person |= Q(lead_id=lead.invitation_id)
    return Lead.objects.filter(same_person, erased_at=None).select_related("user").order_by("pk")


def erase_lead(lead: Lead, *, reason: ErasureReason, actor: Actor) -> None:
    """Delete a pending entry or revoke a pending invitation in Clerk, then erase the data here.

    Clerk deletes only pending entries, and no invitations. Erased rows are kept without their data, so that neither events
    nor the comparison with Clerk's lists can restore it. Call this outside transactions, because it sends requests.

    Raises:
        DecisionError: Clerk did not make the change, the actor is no longer an admin, or another admin is deciding at the
            same time. Nothing was erased.
    """
    with _exclusive_all(lead) as found:
        require_admin(actor.user)
        for row in found:
            try:
                _withdraw(row)
            except ClerkApiError as error:
                # Clerk's message may quote the address.
                _record(row, reason, actor, error=redact_text(str(error))[:500])
                raise DecisionError(str(error)) from error
        _erase(found, reason, actor)


@contextmanager
def _exclusive_all(lead: Lead) -> Iterator[list[Lead]]:
    """Prevent decisions about all rows to erase until the block ends, and yield the rows as they are then.

    Raises:
        DecisionError: another admin is deciding about one of the rows, or a row was added at the same time.
    """
    with ExitStack() as stack:
        locked = [stack.enter_context(exclusive(row)) for row in leads_to_erase(lead)]
        lead.refresh_from_db(fields=["invitation_id"])
        found = list(leads_to_erase(lead))
        if not {row.pk for row in found} <= {row.pk for row in locked}:
            raise DecisionError(_("Nothing was erased, because the lead changed at the same time. Try again."))
        yield found


def _withdraw(lead: Lead) -> None:
    """Delete or revoke a pending lead in Clerk, unless Clerk has already deleted it."""
    if lead.state != State.WAITING:
        return
    change = leads_api.delete_entry if lead.kind == Kind.WAITLIST else leads_api.revoke_invitation
    try:
        change(lead.lead_id)
    except ClerkNotFoundError:
        instance_guard.verify_secret_key()


@transaction.atomic
def erase_deleted() -> None:
    """Erase waitlist entries that were deleted in Clerk, after the same retention period as for deleted users."""
    before = timezone.now() - RETENTION
    deleted = Lead.objects.filter(state=State.DELETED, clerk_updated_at__lte=before, erased_at=None)
    # Clerk may list an entry again at the same time. Webhooks lock leads in the same order.
    _erase_rows(list(deleted.select_for_update(no_key=True).order_by("lead_id")[:BATCH]))


@transaction.atomic
def _erase(found: list[Lead], reason: ErasureReason, actor: Actor) -> None:
    for lead in found:
        _record(lead, reason, actor)
    _erase_rows(found)


def _erase_rows(found: list[Lead]) -> None:
    services.erase(Lead.objects.filter(pk__in=[lead.pk for lead in found]))
    leads_erased.send(Lead, lead_ids=[lead.lead_id for lead in found])


def _record(lead: Lead, reason: ErasureReason, actor: Actor, **facts: Any) -> None:
    log.record(AuditLog.Action.LEAD_ERASED, actor=actor, target=lead, subject=lead.user, reason=reason.value, **facts)
