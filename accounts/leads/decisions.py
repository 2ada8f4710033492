"""Decide about leads in Clerk: approve, reject, revoke and invite. The local state follows Clerk's answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.clerk import leads_api, rate_limiter
from accounts.clerk.api import ClerkApiError
from accounts.clerk.http import ClerkRejectedError
from accounts.clerk.lead_payloads import ClerkLead
from accounts.leads import services
from accounts.models import Lead, User
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.locks import try_lock
from core.redaction import redact_text

Kind, State = Lead.Kind, Lead.State
#: Approvals by jobs store this message, so other admins read it.
NOT_ADMIN = gettext_lazy("The admin who asked for this is no longer an admin.")
#: How long a page waits for a slot of Clerk's limit of invitations per hour.
MAX_WAIT_S = 3.0
#: The first of the advisory locks that prevent simultaneous decisions about a lead. The number is arbitrary.
_LOCKS = 0x6C656164 << 32


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"
    INVITE = "invite"


class DecisionError(Exception):
    """The decision did not take effect. The message is shown to the admin."""


_REQUESTS: dict[Decision, Callable[[str], ClerkLead]] = {
    Decision.APPROVE: leads_api.approve_entry,
    Decision.REJECT: leads_api.reject_entry,
    Decision.REVOKE: leads_api.revoke_invitation,
}


def possible_decisions(lead: Lead) -> list[Decision]:
    """Return the decisions that an admin can make about a lead."""
    if lead.erased_at:
        return []
    if lead.kind == Kind.INVITATION:
        return [Decision.REVOKE] if lead.state == State.WAITING else []
    if lead.state == State.WAITING:
        return [Decision.APPROVE, Decision.REJECT]
    return [Decision.APPROVE] if lead.state == State.REJECTED else []


def decide(lead: Lead, decision: Decision, *, reason: str, actor: Actor, audit_outages: bool = True) -> Lead:
    """Change a lead in Clerk, and audit the decision. Call this outside transactions, because it sends a request.

    Args:
        audit_outages: audit also requests that Clerk did not reject but that failed. False if the caller will retry.

    Raises:
        DecisionError: Clerk did not make the change, the change is not possible, the actor is no longer an admin, or
            another admin is deciding at the same time. A failed request is also audited, see `audit_outages`.
    """
    with exclusive(lead) as current:
        if decision not in possible_decisions(current):
            message = _("Nothing was changed, because the state is now: %(state)s.")
            raise DecisionError(message % {"state": current.get_state_display()})
        try:
            return _request(lambda: _REQUESTS[decision](current.lead_id), current, decision, reason, actor)
        except DecisionError as error:
            if audit_outages or not is_outage(error.__cause__):
                _record_error(current, decision, actor, error)
            raise


def is_outage(error: BaseException | None) -> bool:
    """Return whether a request failed that may succeed later, because Clerk did not reject it."""
    return isinstance(error, ClerkApiError) and not isinstance(error, ClerkRejectedError)


@contextmanager
def exclusive(lead: Lead) -> Iterator[Lead]:
    """Read a lead again, and prevent other decisions about it until the block ends.

    Raises:
        DecisionError: another admin is deciding at the same time.
    """
    with try_lock(_LOCKS + lead.pk) as is_held:
        if not is_held:
            raise DecisionError(_("Nothing was changed, because another admin is deciding at the same time."))
        yield Lead.objects.select_related("user").get(pk=lead.pk)


def invite(email: str, *, roles: Sequence[str], reason: str, actor: Actor) -> Lead:
    """Invite a person by email, and return the invitation. See `decide`."""
    sign_up_url = settings.SITE_URL + reverse("accounts:sign_up")
    send = lambda: leads_api.invite(email, roles=roles, sign_up_url=sign_up_url)  # noqa: E731
    try:
        return _request(send, Lead(), Decision.INVITE, reason, actor)
    except DecisionError as error:
        _record_error(Lead(), Decision.INVITE, actor, error)
        raise


def _request(send: Callable[[], ClerkLead], lead: Lead, decision: Decision, reason: str, actor: Actor) -> Lead:
    try:
        if decision in (Decision.APPROVE, Decision.INVITE):
            _wait_for_slot()
        require_admin(actor.user)
        payload = send()
    except ClerkApiError as error:
        raise DecisionError(str(error)) from error
    with transaction.atomic():
        services.store([payload])
        known = Lead.objects.filter(lead_id=payload.lead_id, erased_at=None)
        decided = {"reason": reason, "decided_by": actor.user, "decided_at": timezone.now()}
        known.update(**decided, **services.NO_APPROVAL)
        stored = Lead.objects.select_related("user").get(lead_id=payload.lead_id)
        _record(stored, decision, actor, state=stored.state)
    return stored


def _wait_for_slot() -> None:
    if not rate_limiter.acquire(rate_limiter.INVITATIONS, max_wait_s=MAX_WAIT_S):
        raise ClerkApiError(_("Clerk’s hourly limit of invitations has been reached. Try again later."))


def require_admin(user: User) -> None:
    """Read the user's roles again under a lock, because the user may have lost the role while waiting.

    Raises:
        DecisionError: the user is no longer an admin.
    """
    with transaction.atomic():
        current = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    if current is None or not current.is_staff:
        raise DecisionError(str(NOT_ADMIN))


def _record_error(lead: Lead, decision: Decision, actor: Actor, error: DecisionError) -> None:
    """Audit a failed request to Clerk."""
    if isinstance(error.__cause__, ClerkApiError):
        # Clerk's message may quote the address.
        _record(lead, decision, actor, error=redact_text(str(error))[:500])


def _record(lead: Lead, decision: Decision, actor: Actor, **facts: Any) -> None:
    """Write the audit row, without the reason, because the row of a person without an account is permanent."""
    log.record(
        AuditLog.Action.LEAD_DECIDED, actor=actor, target=lead, subject=lead.user, decision=decision.value, **facts
    )
