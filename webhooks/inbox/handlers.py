"""Handlers for each type of Clerk event."""

from collections.abc import Callable

from django.conf import settings

from accounts.clerk.payloads import ClerkEvent, ClerkUser, ClerkUserDeleted
from accounts.clerk.session_payloads import ClerkSessionEnded, ClerkSessionStarted
from accounts.sessions import services as sessions
from accounts.sessions import sign_ins
from accounts.sync.apply import Outcome, apply_user
from audit.log import Actor
from audit.models import AuditLog
from webhooks.models import WebhookEvent

State = WebhookEvent.State
#: The final state of an event, and a note that explains it to operators.
type Result = tuple[WebhookEvent.State, str]


def handle(event: ClerkEvent, *, svix_id: str) -> Result:
    expected = settings.CLERK_INSTANCE_ID
    if expected and event.instance_id != expected:
        return State.IGNORED, f"Sent by another Clerk instance ({event.instance_id or 'no instance ID'})."
    handler = HANDLERS.get(event.type)
    if handler is None:
        return State.IGNORED, ""
    actor = Actor(AuditLog.Source.WEBHOOK, svix_id, event.ip_address, event.user_agent)
    return handler(event, actor)


def handle_user(event: ClerkEvent, actor: Actor) -> Result:
    subject = event.subject
    if not isinstance(subject, ClerkUser | ClerkUserDeleted) or subject.clerk_id is None:
        # Clerk's schema allows a deletion without a user ID. Only reconciliation can detect that deletion.
        return State.IGNORED, "The event does not name the deleted user."
    outcome = apply_user(subject, actor=actor)
    return (State.STALE if outcome is Outcome.STALE else State.PROCESSED), ""


#: Results of sign-ins that are not recorded.
SIGN_IN_NOTES = {
    sign_ins.Outcome.UNKNOWN_USER: "The user is not known here.",
    sign_ins.Outcome.DELETED_USER: "The user was deleted.",
}


def record_sign_in(event: ClerkEvent, actor: Actor) -> Result:
    if not isinstance(event.subject, ClerkSessionStarted):
        return State.IGNORED, ""
    outcome = sign_ins.record(event.subject, actor=actor)
    note = SIGN_IN_NOTES.get(outcome, "")
    return (State.IGNORED if note else State.PROCESSED), note


def end_session(event: ClerkEvent, actor: Actor) -> Result:
    """Reject the remaining tokens of an ended session."""
    if isinstance(event.subject, ClerkSessionEnded):
        sessions.end_session(event.subject)
    return State.PROCESSED, ""


#: Events of other types are ignored. https://clerk.com/docs/guides/development/webhooks/overview
HANDLERS: dict[str, Callable[[ClerkEvent, Actor], Result]] = {
    "user.created": handle_user,
    "user.updated": handle_user,
    "user.deleted": handle_user,
    "session.created": record_sign_in,
    "session.ended": end_session,
    "session.removed": end_session,
    "session.revoked": end_session,
}
