"""Record in the audit log that a user signed in with Clerk."""

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from django.db.models import Exists
from django.utils import timezone

from accounts.clerk.session_payloads import ClerkSessionStarted
from accounts.models import User
from accounts.sessions import services as sessions
from audit import log
from audit.log import Actor
from audit.models import AuditLog

SIGNED_IN = AuditLog.Action.USER_SIGNED_IN
#: Maximum delay between a sign-in event and the event about its new user. Svix retries for about a day.
MAX_DELAY = timedelta(days=1)


class Outcome(StrEnum):
    RECORDED = "recorded"
    UNKNOWN_USER = "unknown user"
    DELETED_USER = "deleted user"


def record(payload: ClerkSessionStarted, *, actor: Actor) -> Outcome:
    """Record a sign-in, once per delivery. Must run in a transaction.

    A new user whose own event has not arrived is created provisionally, as for a session token. Rows about deleted
    users are not written, because their personal data may have been erased.

    Args:
        actor: the delivery, and the address and browser of the person who signed in.
    """
    user = _find(payload.clerk_id, actor)
    if user is None and payload.started_at > timezone.now() - MAX_DELAY:
        sessions.create_provisional(payload.clerk_id)
        user = _find(payload.clerk_id, actor)
    if user is None:
        return Outcome.UNKNOWN_USER
    if user.deleted_at:
        return Outcome.DELETED_USER
    if not getattr(user, "is_recorded"):  # noqa: B009  # an annotation
        person = replace(actor, user=user, impersonator=payload.impersonator)
        log.record(SIGNED_IN, actor=person, target=user, session=payload.session_id)
    return Outcome.RECORDED


def _find(clerk_id: str, actor: Actor) -> User | None:
    """Return a user, and in `is_recorded` whether the delivery of `actor` was recorded before."""
    recorded = Exists(AuditLog.objects.filter(delivery=actor.delivery, action=SIGNED_IN))
    # Not first(), which would sort. The id is unique.
    return next(iter(User.objects.filter(clerk_id=clerk_id).annotate(is_recorded=recorded)), None)
