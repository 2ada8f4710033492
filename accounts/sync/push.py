"""Push metadata to Clerk for pending outbox rows. Only our own keys with different values in Clerk are written.

Each push first fetches the user from Clerk. Role changes are therefore applied to the latest list of roles, and no
second write is needed if the response to an earlier push was lost. Pushes for the same user never overlap, because each
push claims the outbox row.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError, ClerkRejectedError
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import MetadataPush, User
from accounts.sync import outbox
from accounts.sync.apply import apply_user
from accounts.sync.effective_roles import announce_changes, effective_roles, roles_for_clerk
from audit import log as audit_log
from audit.log import SYSTEM
from audit.models import AuditLog
from core.db.statements import update
from core.english import counted
from core.text import postgres_safe

log = logging.getLogger(__name__)

State = MetadataPush.State
#: Longer than a push's two requests can take, so that only abandoned claims expire.
CLAIM_DURATION = timedelta(minutes=3)
RETRY_DELAYS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
#: Maximum number of rounds. Changes made during a push are pushed immediately in another round.
MAX_ROUNDS = 5
#: Maximum number of due pushes per run, and number of consecutive failures after which the run ends.
BATCH, MAX_FAILURES = 500, 3


class Outcome(StrEnum):
    NOTHING = "nothing to do"
    UP_TO_DATE = "up to date"
    SENT = "sent"
    REFUSED = "refused"
    STOPPED = "stopped"
    FAILED = "failed"
    HELD = "held, because LIVE_SITE is off"


@dataclass(frozen=True, slots=True)
class _Change:
    """The values sent in one round of a push.

    Attributes:
        revision: the outbox row's revision for these values.
        values: values for Clerk's public metadata. Empty if Clerk is up to date.
    """

    revision: int
    values: dict[str, Any]


def push_user(user_id: int, *, ignore_schedule: bool = False) -> Outcome:
    """Run a user's pending push, if any. Do nothing if another process is running it.

    No exception is raised if Clerk is unreachable. The outbox row stores the error and the time of the next attempt.

    Args:
        ignore_schedule: whether to push immediately, even if the next attempt is due later.
    """
    if not settings.LIVE_SITE:
        return Outcome.HELD
    outcome = Outcome.NOTHING
    for _ in range(MAX_ROUNDS):
        claimed = _claim(user_id, ignore_schedule=ignore_schedule)
        if claimed is None:
            return outcome
        try:
            outcome = _round(claimed)
        except ClerkApiError as error:
            _schedule_retry(claimed, error)
            return Outcome.FAILED
        except BaseException as error:
            _schedule_retry(claimed, error)
            raise
    return outcome


def restart(user_id: int) -> bool:
    """Queue a push again, even if it was refused or stopped. Return False if the user has no outbox row."""
    found = MetadataPush.objects.filter(user_id=user_id).update(
        state=State.PENDING, next_attempt_at=timezone.now(), attempts=0, bounces=0, revision=F("revision") + 1
    )
    if found:
        outbox.defer_push(user_id)
    return bool(found)


def push_due() -> int:
    """Run due pushes and return how many were attempted. Stop early if Clerk seems to be unreachable."""
    if not settings.LIVE_SITE:
        return 0
    due = _unclaimed(timezone.now()).filter(next_attempt_at__lte=timezone.now())
    user_ids = list(due.order_by("next_attempt_at").values_list("user_id", flat=True)[:BATCH])
    failures = tried = 0
    for user_id in user_ids:
        tried += 1
        failures = failures + 1 if push_user(user_id) is Outcome.FAILED else 0
        if failures == MAX_FAILURES:
            waiting = counted(len(user_ids) - tried, "push", "pushes")
            log.warning("Clerk seems to be unreachable. Other waiting changes: at least %s.", waiting)
            break
    return tried


def _claim(user_id: int, *, ignore_schedule: bool = False) -> MetadataPush | None:
    now = timezone.now()
    waiting = _unclaimed(now).filter(user_id=user_id)
    if not ignore_schedule:
        waiting = waiting.filter(next_attempt_at__lte=now)
    # Use a single UPDATE, so that only one of two concurrent processes claims the row.
    if not waiting.update(claimed_until=now + CLAIM_DURATION, attempts=F("attempts") + 1):
        return None
    return MetadataPush.objects.select_related("user").get(user_id=user_id)


def _unclaimed(now: datetime) -> QuerySet[MetadataPush]:
    return MetadataPush.objects.filter(Q(claimed_until=None) | Q(claimed_until__lte=now), state=State.PENDING)


def _round(claimed: MetadataPush) -> Outcome:
    if claimed.user.clerk_id is None:
        return _settle_without_identity(claimed)
    payload = api.get_user(str(claimed.user.clerk_id))
    change = _outdated_values(claimed, payload)
    if not change.values:
        return _settle(claimed, change, Outcome.UP_TO_DATE)
    try:
        response = api.merge_public_metadata(str(claimed.user.clerk_id), change.values)
    except ClerkRejectedError as error:
        return _give_up(claimed, change, error)
    return _settle(claimed, change, Outcome.SENT, response)


def _settle_without_identity(claimed: MetadataPush) -> Outcome:
    """Settle the row of a user without a Clerk ID, because the identity was moved to another account."""
    now = timezone.now()
    MetadataPush.objects.filter(pk=claimed.pk).update(state=State.DONE, done_at=now, claimed_until=None, last_error="")
    return Outcome.NOTHING


@transaction.atomic
def _outdated_values(claimed: MetadataPush, payload: ClerkUser | ClerkUserDeleted) -> _Change:
    """Apply the current payload and return the values that must change in Clerk."""
    apply_user(payload, actor=SYSTEM)
    user = User.objects.get(pk=claimed.user_id)
    revision = MetadataPush.objects.values_list("revision", flat=True).get(pk=claimed.pk)
    if user.deleted_at or isinstance(payload, ClerkUserDeleted):
        return _Change(revision, {})
    values = outbox.outdated_metadata(user)
    if user.has_pending_roles:
        wanted = roles_for_clerk(user, payload.roles)
        if wanted != payload.roles:
            values["roles"] = [*wanted, *payload.other_roles]
    return _Change(revision, values)


@transaction.atomic
def _settle(claimed: MetadataPush, change: _Change, outcome: Outcome, response: ClerkUser | None = None) -> Outcome:
    """Apply Clerk's response and mark the row as done, unless a newer change is pending."""
    user, is_latest = _clear_pending_roles(claimed, change)
    if response:
        apply_user(response, actor=SYSTEM)
        user.refresh_from_db()
    if is_latest:
        _update_effective_roles(user)
    row = MetadataPush.objects.select_for_update(no_key=True).get(pk=claimed.pk)
    row.user, row.next_attempt_at, row.claimed_until = user, timezone.now(), None
    row.attempts, row.last_error = 0, ""
    if row.revision == change.revision:
        row.done_at, row.state = timezone.now(), State.DONE
        if user.deleted_at is None and outbox.outdated_metadata(user):
            outbox.record_bounce(row)  # An event that is newer than the response has already been applied.
    update(row, ["state", "next_attempt_at", "claimed_until", "attempts", "last_error", "done_at", "bounces"])
    return Outcome.STOPPED if row.state == State.STOPPED else outcome


@transaction.atomic
def _give_up(claimed: MetadataPush, change: _Change, error: ClerkRejectedError) -> Outcome:
    """Restore the roles from Clerk. Local metadata values are kept and reported as drift."""
    user, is_latest = _clear_pending_roles(claimed, change)
    if is_latest:
        _update_effective_roles(user)
    row = MetadataPush.objects.select_for_update(no_key=True).get(pk=claimed.pk)
    if row.revision == change.revision:
        row.state = State.REFUSED
        action = AuditLog.Action.PUSH_REFUSED
        audit_log.record(action, actor=SYSTEM, target=user, code=error.code, refused=change.values, reason=str(error))
    row.last_error, row.next_attempt_at, row.claimed_until = str(error)[:2000], timezone.now(), None
    update(row, ["state", "last_error", "next_attempt_at", "claimed_until"])
    return Outcome.REFUSED


def _clear_pending_roles(claimed: MetadataPush, change: _Change) -> tuple[User, bool]:
    """Return the locked user and whether `change` is still the latest revision. If it is, clear the pending roles.

    Roles change only while the user's row is locked, so the pending roles are the same as in `change`.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=claimed.user_id)
    is_latest = MetadataPush.objects.filter(pk=claimed.pk, revision=change.revision).exists()
    if is_latest and user.has_pending_roles:
        user.roles_added, user.roles_removed = [], []
        update(user, ["roles_added", "roles_removed"])
    return user, is_latest


def _update_effective_roles(user: User) -> None:
    before, user.roles = user.roles, effective_roles(user)
    if user.deleted_at is None and not user.is_provisional and user.roles != before:
        update(user, ["roles"])
        announce_changes([(user, before, SYSTEM)])


def _schedule_retry(claimed: MetadataPush, error: BaseException) -> None:
    delay = RETRY_DELAYS[min(claimed.attempts, len(RETRY_DELAYS)) - 1]
    text = postgres_safe(f"{error}"[:2000])
    waiting = MetadataPush.objects.filter(pk=claimed.pk, state=State.PENDING)
    waiting.update(next_attempt_at=timezone.now() + delay, claimed_until=None, last_error=text)
