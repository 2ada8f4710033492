"""What each type of event does."""

from collections.abc import Callable

from django.conf import settings

from accounts.clerk.payloads import ClerkEvent, ClerkSessionEnded, ClerkUser, ClerkUserDeleted
from accounts.sessions import services as sessions
from accounts.sync.apply import Outcome, apply_user
from audit.log import Origin
from audit.models import AuditLog
from webhooks.models import WebhookEvent

State = WebhookEvent.State
#: How an event ends, and a note for whoever looks at it later.
type Verdict = tuple[WebhookEvent.State, str]


def handle(event: ClerkEvent, *, svix_id: str) -> Verdict:
    """Apply `event` in the current transaction and return how it ended."""
    ours = settings.CLERK_INSTANCE_ID
    if ours and event.instance_id != ours:
        return State.IGNORED, f"It comes from another Clerk instance, {event.instance_id or 'unnamed'}."
    handler = HANDLERS.get(event.type)
    if handler is None:
        return State.IGNORED, ""
    origin = Origin(AuditLog.Source.WEBHOOK, svix_id, event.ip_address, event.user_agent)
    return handler(event, origin)


def handle_user(event: ClerkEvent, origin: Origin) -> Verdict:
    """Bring a user up to date."""
    subject = event.subject
    if not isinstance(subject, ClerkUser | ClerkUserDeleted) or subject.clerk_id is None:
        # Clerk's schema lets a deletion come without its id. Nothing can be applied; only a comparison can find it.
        return State.IGNORED, "It does not say which user was deleted."
    outcome = apply_user(subject, origin=origin)
    return (State.STALE if outcome is Outcome.STALE else State.PROCESSED), ""


def end_session(event: ClerkEvent, origin: Origin) -> Verdict:
    """Refuse what is left of a session that is over."""
    if isinstance(event.subject, ClerkSessionEnded):
        sessions.end_session(event.subject)
    return State.PROCESSED, ""


#: The types acted upon; all others are ignored. https://clerk.com/docs/guides/development/webhooks/overview
HANDLERS: dict[str, Callable[[ClerkEvent, Origin], Verdict]] = {
    "user.created": handle_user,
    "user.updated": handle_user,
    "user.deleted": handle_user,
    "session.ended": end_session,
    "session.removed": end_session,
    "session.revoked": end_session,
}
