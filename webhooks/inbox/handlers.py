"""Handlers for each type of Clerk event."""

from collections.abc import Callable, Sequence

from django.conf import settings

from accounts.clerk.payloads import USER_TYPES, ClerkEvent, ClerkUser, ClerkUserDeleted
from accounts.clerk.session_payloads import ClerkSessionEnded, ClerkSessionStarted
from accounts.sessions import services as sessions
from accounts.sessions import sign_ins
from accounts.sync.apply import Outcome, apply_users
from audit.log import Actor
from audit.models import AuditLog
from webhooks.models import WebhookEvent

State = WebhookEvent.State
#: The final state of an event, and a note that explains it to operators.
type Result = tuple[WebhookEvent.State, str]
#: Sent by admins to test the endpoint; see webhooks.doctor.self_delivery.
TEST_TYPE = "buildappswith.test"
RESULTS: dict[Outcome, Result | None] = {
    Outcome.APPLIED: (State.PROCESSED, ""),
    Outcome.STALE: (State.STALE, ""),
    Outcome.LEFT_OUT: None,
}


def handle(events: Sequence[tuple[ClerkEvent, str]], *, skip_locked: bool = False) -> list[Result | None]:
    """Apply events, each with its svix-id: first those about users, together, then the others one by one.

    Args:
        skip_locked: leave out events whose users are locked by other transactions. Their result is None.
    """
    sources = [Actor(AuditLog.Source.WEBHOOK, svix_id, event.ip_address, event.user_agent) for event, svix_id in events]
    users = {
        index: (payload, sources[index]) for index, (event, _) in enumerate(events) if (payload := _user_payload(event))
    }
    outcomes = dict(zip(users, apply_users(list(users.values()), skip_locked=skip_locked), strict=True))
    return [
        RESULTS[outcomes[index]] if index in outcomes else _handle(event, sources[index])
        for index, (event, _) in enumerate(events)
    ]


def _user_payload(event: ClerkEvent) -> ClerkUser | ClerkUserDeleted | None:
    subject = event.subject
    if not isinstance(subject, ClerkUser | ClerkUserDeleted) or subject.clerk_id is None or not _is_expected(event):
        return None
    return subject


def _is_expected(event: ClerkEvent) -> bool:
    return event.instance_id == (settings.CLERK_INSTANCE_ID or event.instance_id)


def _handle(event: ClerkEvent, actor: Actor) -> Result:
    if not _is_expected(event):
        return State.IGNORED, f"Sent by another Clerk instance ({event.instance_id or 'no instance ID'})."
    handler = HANDLERS.get(event.type)
    return handler(event, actor) if handler else (State.IGNORED, "")


def ignore_unnamed_user(event: ClerkEvent, actor: Actor) -> Result:
    """Clerk's schema allows a deletion without a user ID. Only reconciliation can detect that deletion."""
    return State.IGNORED, "The event does not name the deleted user."


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


def ignore_test(event: ClerkEvent, actor: Actor) -> Result:
    return State.IGNORED, "A test delivery that an admin sent to this site."


#: Events of other types are ignored. https://clerk.com/docs/guides/development/webhooks/overview
HANDLERS: dict[str, Callable[[ClerkEvent, Actor], Result]] = {
    # Events that name their user are applied together; see handle().
    **dict.fromkeys(USER_TYPES, ignore_unnamed_user),
    TEST_TYPE: ignore_test,
    "session.created": record_sign_in,
    "session.ended": end_session,
    "session.removed": end_session,
    "session.revoked": end_session,
}
