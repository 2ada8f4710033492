"""Approve several waitlist entries at an admin's request. A job makes each approval, and keeps Clerk's limit of invitations."""

import math
from collections.abc import Collection

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.clerk import rate_limiter
from accounts.clerk.api import ClerkApiError
from accounts.clerk.http import ClerkRejectedError
from accounts.leads import services
from accounts.leads.decisions import Decision, DecisionError, decide, possible_decisions
from accounts.models import Lead
from audit.log import Actor
from audit.models import AuditLog
from core.interface_languages import english
from core.jobs import BULK, describe
from core.redaction import redact_text

#: Maximum number of leads in one request. Clerk accepts as many invitations per hour.
MAX_LEADS = rate_limiter.MAX_INVITATIONS


def why_unchanged(lead: Lead) -> str:
    """Return why a lead cannot be approved, or "" if it can."""
    if Decision.APPROVE in possible_decisions(lead):
        return ""
    if lead.erased_at:
        return _("Erased")
    return _("Not a waitlist entry") if lead.kind == Lead.Kind.INVITATION else str(lead.get_state_display())


@transaction.atomic
def request_approvals(lead_ids: Collection[int], *, reason: str, actor: Actor) -> int:
    """Queue the approval of the leads that can be approved, and return their number."""
    rows = Lead.objects.select_for_update(no_key=True).filter(pk__in=lead_ids).order_by("pk")
    chosen = [lead.pk for lead in rows if not why_unchanged(lead)]
    requested = {"approval_reason": reason, "approval_requested_by": actor.user}
    Lead.objects.filter(pk__in=chosen).update(**requested, approval_requested_at=timezone.now(), approval_error="")
    for number, lead_id in enumerate(chosen):
        approve_lead.configure(schedule_in={"seconds": _delay_s(number)}).defer(lead_id=lead_id)
    return len(chosen)


def _delay_s(number: int) -> int:
    """Return the seconds until a job may run. The limiter allows some at once, then one in each interval.

    The first jobs may start up to one interval late, for example because no worker was free.
    """
    burst, interval_s = rate_limiter.pace(rate_limiter.INVITATIONS)
    return math.ceil((number - burst + 2) * interval_s) if number >= burst else 0


@queue.task(retry=RetryStrategy(max_attempts=8, exponential_wait=5), priority=BULK)
@describe(
    gettext_lazy("Approve a waitlist entry"),
    gettext_lazy(
        "Approves a waitlist entry in Clerk after an admin requested it. If the job fails, the lead's page shows the error."
    ),
)
def approve_lead(lead_id: int) -> None:
    approve(lead_id)


def approve(lead_id: int) -> None:
    """Approve a lead, unless that has happened already. The error of a failed request is stored.

    Raises:
        ClerkApiError: Clerk returned no usable response, or its limit of invitations is used up. The job is retried.
    """
    waiting = Lead.objects.filter(pk=lead_id, approval_requested_at__isnull=False)
    lead = waiting.select_related("approval_requested_by").first()
    if lead is None:
        return
    if why_unchanged(lead):
        waiting.update(**services.NO_APPROVAL)
        return
    admin = lead.approval_requested_by
    if admin is None or not admin.is_staff:
        waiting.update(approval_error="The user who requested the approval is no longer an admin.")
        return
    actor = Actor(AuditLog.Source.SYSTEM, user=admin)
    try:
        with english():
            decide(lead, Decision.APPROVE, reason=lead.approval_reason, actor=actor)
    except DecisionError as error:
        # Clerk's message may quote the address.
        waiting.update(approval_error=redact_text(str(error))[:500])
        cause = error.__cause__
        if isinstance(cause, ClerkApiError) and not isinstance(cause, ClerkRejectedError):
            raise cause from error
