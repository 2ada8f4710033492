"""Handlers for each type of Clerk event."""

from collections.abc import Callable, Sequence

from django.conf import settings

from accounts.clerk.lead_payloads import LEAD_TYPES, ClerkLead
from accounts.clerk.organization_payloads import ORGANIZATION_PARSERS, ClerkOrganizationDeleted, OrganizationPayload
from accounts.clerk.payloads import SESSION_END_TYPES, USER_TYPES, ClerkEvent, ClerkUser, ClerkUserDeleted
from accounts.clerk.session_payloads import ClerkSessionEnded, ClerkSessionStarted
from accounts.leads import services as leads
from accounts.organizations.apply import apply_payloads
from accounts.sessions import services as sessions
from accounts.sessions import sign_ins
from accounts.sync.apply import Outcome, apply_users
from audit.log import Actor
from audit.models import AuditLog
from webhooks.models import WebhookEvent

State = WebhookEvent.State
#: The final state of an event, and a note that explains it to operators.
type Result = tuple[WebhookEvent.State, str]
#: The type of test deliveries; see webhooks.doctor.self_delivery.
TEST_TYPE = "buildappswith.test"
RESULTS: dict[Outcome, Result | None] = {
    Outcome.APPLIED: (State.PROCESSED, ""),
    Outcome.STALE: (State.STALE, ""),
    Outcome.LEFT_OUT: None,
}


#: Handles several events of the same kind. With `skip_locked`, the result of a skipped event is None.
type Handler = Callable[[Sequence[Sent], bool], list[Result | None]]
#: An event, and its origin for the audit log.
type Sent = tuple[ClerkEvent, Actor]


def handle(events: Sequence[tuple[ClerkEvent, str]], *, skip_locked: bool = False) -> list[Result | None]:
    """Apply (event, svix-id) pairs. Events about users are applied first.

    Args:
        skip_locked: skip events whose users are locked by other transactions. The result of a skipped event is None.
    """
    sent = [
        (event, Actor(AuditLog.Source.WEBHOOK, svix_id, event.ip_address, event.user_agent))
        for event, svix_id in events
    ]
    results: dict[int, Result | None] = {}
    for handler in dict.fromkeys((*HANDLERS.values(), ignore)):
        chosen = [index for index, (event, _) in enumerate(sent) if _handler(event) is handler]
        if chosen:
            results |= zip(chosen, handler([sent[index] for index in chosen], skip_locked), strict=True)
    return [results[index] for index in range(len(sent))]


def stage_of(event: ClerkEvent | Exception | None) -> int:
    """Return in which transaction of a batch an event is applied. Transactions are in the order of their numbers.

    Each kind of event that inserts users has its own transaction. Mixed batches could lock organizations before users and
    deadlock.
    """
    handler = _handler(event) if isinstance(event, ClerkEvent) else ignore
    return STAGES.index(handler) if handler in STAGES else 0


def _handler(event: ClerkEvent) -> Handler:
    return HANDLERS.get(event.type, ignore) if _is_expected(event) else ignore


def _is_expected(event: ClerkEvent) -> bool:
    return event.instance_id == (settings.CLERK_INSTANCE_ID or event.instance_id)


def ignore(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    """Ignore events without a handler and events from other Clerk instances."""
    other = "Sent by another Clerk instance (%s)."
    return [
        (State.IGNORED, "" if _is_expected(event) else other % (event.instance_id or "no instance ID"))
        for event, _ in events
    ]


def apply(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    """Apply events about users.

    Clerk's schema allows a deletion without a user ID. Only reconciliation can detect that deletion.
    """
    payloads = [(_user_payload(event), actor) for event, actor in events]
    named = [(payload, actor) for payload, actor in payloads if payload]
    outcomes = iter(apply_users(named, skip_locked=skip_locked))
    unnamed = State.IGNORED, "The event does not name the deleted user."
    return [RESULTS[next(outcomes)] if payload else unnamed for payload, _ in payloads]


def _user_payload(event: ClerkEvent) -> ClerkUser | ClerkUserDeleted | None:
    subject = event.subject
    return subject if isinstance(subject, ClerkUser | ClerkUserDeleted) and subject.clerk_id is not None else None


#: Results of sign-ins that are not recorded.
SIGN_IN_NOTES = {
    sign_ins.Outcome.UNKNOWN_USER: "The user is not known here.",
    sign_ins.Outcome.DELETED_USER: "The user was deleted.",
}


def record_sign_ins(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    payloads = [(event.subject, actor) for event, actor in events if isinstance(event.subject, ClerkSessionStarted)]
    notes = [SIGN_IN_NOTES.get(outcome, "") for outcome in sign_ins.record(payloads)]
    return [(State.IGNORED if note else State.PROCESSED, note) for note in notes]


def end_sessions(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    """Reject the remaining tokens of ended sessions."""
    sessions.end_sessions([event.subject for event, _ in events if isinstance(event.subject, ClerkSessionEnded)])
    return [(State.PROCESSED, "") for _ in events]


def store_leads(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    """Store waitlist entries and invitations."""
    newer = leads.store([event.subject for event, _ in events if isinstance(event.subject, ClerkLead)])
    return [(State.PROCESSED if is_newer else State.STALE, "") for is_newer in newer]


def apply_organizations(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    """Apply events about organizations, their members and invitations.

    Like users, Clerk's schema allows the deletion of an organization without an ID.
    """
    payloads = [(_organization_payload(event), actor) for event, actor in events]
    named = [(payload, actor) for payload, actor in payloads if payload]
    outcomes = iter(apply_payloads(named, skip_locked=skip_locked))
    unnamed = State.IGNORED, "The event does not name the deleted organization."
    return [RESULTS[next(outcomes)] if payload else unnamed for payload, _ in payloads]


def _organization_payload(event: ClerkEvent) -> OrganizationPayload | None:
    subject = event.subject
    is_unnamed = isinstance(subject, ClerkOrganizationDeleted) and subject.organization_id is None
    return subject if isinstance(subject, OrganizationPayload.__value__) and not is_unnamed else None


def ignore_tests(events: Sequence[Sent], skip_locked: bool) -> list[Result | None]:  # noqa: FBT001
    return [(State.IGNORED, "A test delivery that an admin sent to this site.") for _ in events]


#: Events of other types are ignored. https://clerk.com/docs/guides/development/webhooks/overview
HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(sorted(USER_TYPES), apply),
    TEST_TYPE: ignore_tests,
    "session.created": record_sign_ins,
    **dict.fromkeys(sorted(SESSION_END_TYPES), end_sessions),
    **dict.fromkeys(sorted(LEAD_TYPES), store_leads),
    **dict.fromkeys(ORGANIZATION_PARSERS, apply_organizations),
}
#: Handlers that insert users. All other handlers run in the first stage.
STAGES: tuple[Handler, ...] = (apply, apply_organizations, record_sign_ins)
