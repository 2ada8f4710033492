"""Actions on single events: dry run, replay, resolve, and fetch the user from Clerk.

A dry run applies the event in the same way as a replay, rolls back, and shows the changes. All other actions are
audited.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from django.db import OperationalError, transaction
from psycopg import errors

from accounts.models import EndedSession, MetadataPush, Reconciliation, User
from accounts.sync import on_demand_fetch
from accounts.sync.fields import UNAUDITED_FIELDS
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.statements import update
from core.db.transactions import CurrentTransaction
from core.interface_languages import english
from webhooks.inbox import retry_policy
from webhooks.inbox import service as inbox
from webhooks.models import WebhookEvent

Action, State = AuditLog.Action, WebhookEvent.State
#: Outcomes in addition to the states of an event: it was locked, or it does not exist.
BUSY, GONE = "busy", "gone"
RESOLVED_FIELDS = ("state", "last_error", "error_class", "processed_at", "next_attempt_at")
#: Errors if another transaction holds a lock.
LOCK_ERRORS = (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class ActingAdmin:
    """The admin who performs an action, and the reason."""

    actor: Actor
    reason: str


class Difference(NamedTuple):
    """A changed field with its old and new value. `field` is "" if a whole object is created or deleted."""

    target: str
    label: str
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class EventResult:
    """The result of a replay or dry run of one event.

    Attributes:
        outcome: a state of WebhookEvent, BUSY or GONE.
        note: the error, or the reason for the outcome.
        error_kind: the class and type of a failure, without its message.
    """

    outcome: str
    note: str = ""
    error_kind: str = ""
    differences: list[Difference] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """The reason for the outcome. It is the same for similar events, so that they can be counted together."""
        if self.differences:
            return ", ".join(sorted({f"{d.target}.{d.field}" if d.field else d.target for d in self.differences}))
        return self.error_kind or ("" if self.outcome not in WebhookEvent.SETTLED else self.note)


def dry_run(event_id: int) -> EventResult:
    """Apply a stored event, collect the changes, and roll everything back."""
    try:
        with inbox.dry_run(event_id) as (event, apply):
            last_row, before = AuditLog.objects.last_id() or 0, _unaudited_values(event)
            apply()
            differences = [*_audited_since(last_row), *_compare(before, _unaudited_values(event))]
            return EventResult(event.state, _note(event), differences=differences)
    except Exception as error:  # noqa: BLE001  # a replay would fail the same way, so it is the result
        return _failure(error)


def replay(event_id: int, by: ActingAdmin, **facts: Any) -> EventResult:
    """Apply a stored event again.

    Args:
        facts: additional details for the audit log.
    """
    try:
        return _result(inbox.replay(event_id, audit=partial(_audit_replay, by, facts)))
    except (OperationalError, WebhookEvent.DoesNotExist) as error:
        return _failure(error)


def replay_together(event_ids: Collection[int], by: ActingAdmin, **facts: Any) -> dict[int, EventResult]:
    """Apply stored events again in at most three transactions. Events without a result must be replayed alone."""
    events = inbox.replay_together(event_ids, audit=partial(_audit_replay, by, facts))
    return {event.pk: _result(event) for event in events}


def _audit_replay(by: ActingAdmin, facts: dict[str, Any], event: WebhookEvent) -> None:
    actor = replace(by.actor, delivery=event.svix_id)
    log.record(Action.EVENT_REPLAYED, actor=actor, target=event, note=by.reason, **facts)


def _result(event: WebhookEvent) -> EventResult:
    return EventResult(event.state, _note(event), _error_kind(event) if event.error_class else "")


@transaction.atomic
def resolve(event_id: int, by: ActingAdmin) -> bool:
    """Settle a failed or dead event without applying it. A scheduled retry will skip it.

    The audit log contains only the kind of the error. The error's message may quote personal data, which must not be
    kept longer than the payload.

    Returns:
        False if the event does not exist or is already settled.
    """
    event = WebhookEvent.objects.unsettled().select_for_update().filter(pk=event_id).first()
    if event is None:
        return False
    state, error_kind = event.state, _error_kind(event)
    event.mark_settled(State.IGNORED, f"Resolved by hand: {by.reason}")
    update(event, RESOLVED_FIELDS)
    changes = {"state": (state, event.state)}
    log.record(
        Action.EVENT_RESOLVED,
        actor=by.actor,
        target=event,
        changes=changes,
        note=by.reason,
        error=error_kind,
    )
    return True


@transaction.atomic
def fetch_user(event: WebhookEvent, by: ActingAdmin) -> Reconciliation:
    """Queue a comparison of the event's user with Clerk, and return the report that the worker will fill in."""
    report = on_demand_fetch.request(str(event.clerk_user_id))
    log.record(
        Action.PERSON_FETCHED,
        actor=by.actor,
        target=event,
        subject=User.objects.filter(clerk_id=event.clerk_user_id).first(),
        note=by.reason,
        report=report.pk,
    )
    return report


def last_action(event: WebhookEvent) -> AuditLog | None:
    rows = AuditLog.objects.filter(target=log.target_key(event), actor__isnull=False)
    return rows.order_by("-pk").first()


def is_lock_error(error: Exception) -> bool:
    return isinstance(error, OperationalError) and isinstance(error.__cause__, LOCK_ERRORS)


def _failure(error: Exception) -> EventResult:
    if isinstance(error, WebhookEvent.DoesNotExist):
        return EventResult(GONE, "The event does not exist.")
    if is_lock_error(error):
        return EventResult(BUSY, "The event or its user is being changed by another process. Try again.")
    event = WebhookEvent(attempts=1)
    retry_policy.mark_failure(event, error)
    return EventResult(event.state, event.last_error, _error_kind(event))


def _error_kind(event: WebhookEvent) -> str:
    """Return the class and type of the last error, without its message, which may quote personal data."""
    return f"{event.error_class}: {event.last_error.partition(':')[0]}"


def _note(event: WebhookEvent) -> str:
    if event.payload is None and not event.last_error:
        return "The payload is no longer stored, so there is nothing to apply."
    return event.last_error


def _audited_since(row_id: int) -> list[Difference]:
    rows = AuditLog.objects.filter(transaction=CurrentTransaction(), pk__gt=row_id).order_by("pk")
    with english():
        return [difference for row in rows for difference in _differences_in(row)]


def _differences_in(row: AuditLog) -> list[Difference]:
    target, label, details = row.target.partition(":")[0].partition(".")[2], row.target_label or "", row.details or {}
    if row.action in (Action.ROLE_ADDED, Action.ROLE_REMOVED):
        pair = (None, details["role"]) if row.action == Action.ROLE_ADDED else (details["role"], None)
        return [Difference(target, label, "roles", *pair)]
    if row.changed_fields:
        return [Difference(target, label, name, *details[name]) for name in row.changed_fields]
    return [Difference(target, label, "", None, row.get_action_display())]


def _unaudited_values(event: WebhookEvent) -> dict[tuple[str, str], Any]:
    """Return the values of the event's user that can change without an audit row, by target and field."""
    if not event.clerk_user_id:
        return {}
    user = User.objects.filter(clerk_id=event.clerk_user_id).values(*UNAUDITED_FIELDS).first() or {}
    push = MetadataPush.objects.filter(user__clerk_id=event.clerk_user_id).values_list("state", "revision").first()
    ended = EndedSession.objects.filter(clerk_id=event.clerk_user_id).count()
    values: dict[tuple[str, str], Any] = {("user", name): value for name, value in user.items()}
    return values | {("push to Clerk", ""): push and " ".join(map(str, push)), ("ended sessions", ""): ended}


def _compare(before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]) -> list[Difference]:
    """Return changed values. New users are omitted, because the audit log covers their creation."""
    return [
        Difference(target, "", name, before[target, name], after[target, name])
        for target, name in after
        if (target, name) in before and before[target, name] != after[target, name]
    ]
