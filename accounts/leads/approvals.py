"""Approve several waitlist entries at an admin's request. A job makes each approval, and keeps Clerk's limit of invitations."""

import math
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Case, Exists, OuterRef, QuerySet, TextChoices, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from procrastinate import JobContext, RetryStrategy
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.clerk import rate_limiter
from accounts.leads import decisions, services
from accounts.leads.decisions import Decision, DecisionError, decide, is_outage, possible_decisions
from accounts.models import Lead
from audit.log import Actor
from audit.models import AuditLog
from core.interface_languages import english
from core.jobs import BULK, describe
from core.redaction import redact_text

#: Maximum number of leads in one request. Clerk accepts as many invitations per hour.
MAX_LEADS = rate_limiter.MAX_INVITATIONS
#: An approval is repeated this often during an outage.
MAX_RETRIES = 8


class ApprovalState(TextChoices):
    QUEUED = "queued", gettext_lazy("Approval queued")
    RETRYING = "retrying", gettext_lazy("Approval will be retried")
    FAILED = "failed", gettext_lazy("Approval failed")


def with_jobs(leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """Annotate leads with `has_approval_job`, which `state_of` needs. Only leads with a request look for a job."""
    lead_id = Cast(KeyTextTransform("lead_id", "args"), BigIntegerField())
    jobs = ProcrastinateJob.objects.filter(task_name=approve_lead.name, status__in=("todo", "doing"))
    has_job = Exists(jobs.alias(of=lead_id).filter(of=OuterRef("pk")))
    return leads.annotate(
        has_approval_job=Case(When(approval_requested_at__isnull=False, then=has_job), default=Value(value=False))
    )


def state_of(lead: Lead) -> ApprovalState | None:
    """Return the state of a requested approval, or None if there is none. The lead must come from `with_jobs`."""
    if why_unchanged(lead):
        return None
    if lead.approval_requested_at and getattr(lead, "has_approval_job", False):
        return ApprovalState.RETRYING if lead.approval_error else ApprovalState.QUEUED
    # An admin may have cancelled the job.
    return ApprovalState.FAILED if lead.approval_requested_at or lead.approval_error else None


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


@queue.task(retry=RetryStrategy(max_attempts=MAX_RETRIES, exponential_wait=5), priority=BULK, pass_context=True)
@describe(
    gettext_lazy("Approve a waitlist entry"),
    gettext_lazy(
        "Approves a waitlist entry in Clerk after an admin requested it. If the job fails, the lead's page shows the error."
    ),
)
def approve_lead(context: JobContext, lead_id: int) -> None:
    approve(lead_id, is_last=context.job.attempts >= MAX_RETRIES)


def approve(lead_id: int, *, is_last: bool = False) -> None:
    """Approve a lead, unless that has happened already. The error of a failed request is stored.

    Args:
        is_last: the job is not retried. Only then, an outage ends the approval and is audited like a rejection by Clerk.

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
        waiting.update(**_failed(str(decisions.NOT_ADMIN)))
        return
    actor = Actor(AuditLog.Source.SYSTEM, user=admin)
    try:
        with english():
            decide(lead, Decision.APPROVE, reason=lead.approval_reason, actor=actor, audit_outages=is_last)
    except DecisionError as error:
        # Clerk's message may quote the address.
        message = redact_text(str(error))[:500]
        outage = error.__cause__ if is_outage(error.__cause__) else None
        waiting.update(**{"approval_error": message} if outage and not is_last else _failed(message))
        if outage:
            raise outage from error


def _failed(message: str) -> dict[str, Any]:
    return services.NO_APPROVAL | {"approval_error": message}
