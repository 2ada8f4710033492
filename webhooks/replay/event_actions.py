"""What people do about single events: try them, apply them once more, call them resolved, ask Clerk anew.

Trying goes the way of any event and is undone, so what it tells is what would happen. Everything else is audited.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import OperationalError, transaction
from psycopg import errors

from accounts.models import EndedSession, MetadataPush, Reconciliation, User
from accounts.sync import on_demand_fetch
from accounts.sync.apply import UNAUDITED_FIELDS
from audit import log
from audit.log import Origin
from audit.models import AuditLog
from core.db.statements import update
from core.db.transactions import CurrentTransaction
from webhooks.inbox import retry_policy
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent

Action, State = AuditLog.Action, WebhookEvent.State
#: Outcomes that are no state of an event.
BUSY, GONE = "busy", "gone"
RESOLVED_FIELDS = ("state", "last_error", "error_class", "processed_at", "next_attempt_at")
#: Another transaction holds a lock, or had us wait for too long.
AT_WORK = (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class Who:
    """Who does something, from where, and why."""

    actor: User
    origin: Origin
    why: str


class Difference(NamedTuple):
    """A field that an event changes, of what, and how; a whole thing that comes or goes has "" for its field."""

    target: str
    label: str
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of an event, or would come of it.

    Attributes:
        outcome: a state of WebhookEvent, BUSY or GONE.
        note: why, if there is something to say.
        kind: of a failure, its class and what it is called, without what it says.
    """

    outcome: str
    note: str = ""
    kind: str = ""
    differences: list[Difference] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Return why it ended so, in words that many events share."""
        if self.differences:
            return ", ".join(sorted({f"{d.target}.{d.field}" if d.field else d.target for d in self.differences}))
        return self.kind or ("" if self.outcome not in WebhookEvent.SETTLED else self.note)


def dry_run(event_id: int) -> Trial:
    """Apply a stored event, note what that changed, and undo it. Nothing of it is left anywhere."""
    try:
        with inbox.rehearsal(event_id) as (event, apply):
            last_row, before = AuditLog.objects.last_id() or 0, _unlogged(event)
            apply()
            found = [*_logged_since(last_row), *_compared(before, _unlogged(event))]
            return Trial(event.state, _note(event), differences=found)
    except Exception as error:  # noqa: BLE001  # it is what would happen
        return _failure(error)


def replay(event_id: int, who: Who, **facts: Any) -> Trial:
    """Apply a stored event once more, for real.

    Args:
        facts: what else the audit log is to tell.
    """

    def note(event: WebhookEvent) -> None:
        origin = Origin(who.origin.source, event.svix_id, who.origin.ip_address, who.origin.user_agent)
        log.record(Action.EVENT_REPLAYED, actor=who.actor, target=event, origin=origin, note=who.why, **facts)

    try:
        event = inbox.replay(event_id, note=note)
    except (OperationalError, WebhookEvent.DoesNotExist) as error:
        return _failure(error)
    return Trial(event.state, _note(event), _kind(event) if event.error_class else "")


@transaction.atomic
def resolve(event_id: int, who: Who) -> bool:
    """Settle a failed or dead event without any effect. Its retry, if one is scheduled, finds nothing left to do.

    The log keeps of its error the kind: the text quotes values, and would outlive the payload and the erasing of its person.

    Returns:
        False if there is no such event, or it was settled meanwhile.
    """
    event = WebhookEvent.objects.unsettled().select_for_update().filter(pk=event_id).first()
    if event is None:
        return False
    state, kind = event.state, _kind(event)
    event.mark_settled(State.IGNORED, f"Resolved by hand: {who.why}")
    update(event, RESOLVED_FIELDS)
    changes = {"state": (state, event.state)}
    log.record(
        Action.EVENT_RESOLVED,
        actor=who.actor,
        target=event,
        origin=who.origin,
        changes=changes,
        note=who.why,
        error=kind,
    )
    return True


@transaction.atomic
def fetch(event: WebhookEvent, who: Who) -> Reconciliation:
    """Have the person of an event compared with Clerk by a worker, and return the report that it fills in."""
    run = on_demand_fetch.request(str(event.clerk_user_id))
    log.record(
        Action.PERSON_FETCHED,
        actor=who.actor,
        target=event,
        subject=User.objects.filter(clerk_id=event.clerk_user_id).first(),
        origin=who.origin,
        note=who.why,
        report=run.pk,
    )
    return run


def last_deed(event: WebhookEvent) -> AuditLog | None:
    """Return what somebody did about an event last."""
    about = AuditLog.objects.filter(target=log.target_key(event), actor__isnull=False)
    return about.order_by("-pk").first()


def is_at_work(error: Exception) -> bool:
    """Return whether the error is that somebody else holds a lock."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, AT_WORK)


def _failure(error: Exception) -> Trial:
    if isinstance(error, WebhookEvent.DoesNotExist):
        return Trial(GONE, "There is no such event.")
    if is_at_work(error):
        return Trial(BUSY, "Somebody is at work on it or on its person; try again.")
    event = WebhookEvent(attempts=1)
    retry_policy.mark_failure(event, error)
    return Trial(event.state, event.last_error, _kind(event))


def _kind(event: WebhookEvent) -> str:
    """Return the class of a failure and its name; what a database says of it quotes what people wrote."""
    return f"{event.error_class}: {event.last_error.partition(':')[0]}"


def _note(event: WebhookEvent) -> str:
    if event.payload is None and not event.last_error:
        return "Its payload is not kept, so there is nothing to apply."
    return event.last_error


def _logged_since(row_id: int) -> list[Difference]:
    """Return what the audit log tells of this transaction, from behind a row on."""
    rows = AuditLog.objects.filter(transaction=CurrentTransaction(), pk__gt=row_id).order_by("pk")
    return [difference for row in rows for difference in _told(row)]


def _told(row: AuditLog) -> list[Difference]:
    target, label, details = row.target.partition(":")[0].partition(".")[2], row.target_label or "", row.details or {}
    if row.action in (Action.ROLE_ADDED, Action.ROLE_REMOVED):
        pair = (None, details["role"]) if row.action == Action.ROLE_ADDED else (details["role"], None)
        return [Difference(target, label, "roles", *pair)]
    if row.changed_fields:
        return [Difference(target, label, name, *details[name]) for name in row.changed_fields]
    return [Difference(target, label, "", None, row.get_action_display())]


def _unlogged(event: WebhookEvent) -> dict[tuple[str, str], Any]:
    """Return what an event may change of its person without a row in the log."""
    if not event.clerk_user_id:
        return {}
    user = User.objects.filter(clerk_id=event.clerk_user_id).values(*UNAUDITED_FIELDS).first() or {}
    push = MetadataPush.objects.filter(user__clerk_id=event.clerk_user_id).values_list("state", "revision").first()
    ended = EndedSession.objects.filter(clerk_id=event.clerk_user_id).count()
    facts: dict[tuple[str, str], Any] = {("user", name): value for name, value in user.items()}
    return facts | {("push to Clerk", ""): push and " ".join(map(str, push)), ("ended sessions", ""): ended}


def _compared(before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]) -> list[Difference]:
    """Return what became different; of somebody new, the log tells enough."""
    return [
        Difference(target, "", name, before[target, name], after[target, name])
        for target, name in after
        if (target, name) in before and before[target, name] != after[target, name]
    ]
