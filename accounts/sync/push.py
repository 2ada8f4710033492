"""Bring to Clerk what the outbox asks for: only keys that are ours, and only values that Clerk does not hold already.

A push asks Clerk first, so that it knows what is there now: a push whose answer was lost finds its work done, and roles
are given and taken on the newest list. One person's pushes never overlap, because each claims the row for a while.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import roles
from accounts.clerk import api
from accounts.clerk.api import ClerkApiError, ClerkRejectedError
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import MetadataPush, User
from accounts.sync import outbox
from accounts.sync.apply import apply_user
from audit import log as audit_log
from audit.log import SYSTEM
from audit.models import AuditLog
from core.db.statements import update

log = logging.getLogger(__name__)

State = MetadataPush.State
#: Longer than both requests of a push can take, so that only a lost claim runs out.
CLAIM = timedelta(minutes=3)
WAITS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5))
#: Changes made while their own push was under way are brought along at once, but not for ever.
MAX_ROUNDS = 5
#: Due pushes looked at by one run of the job, and failures after which it leaves the rest to the next.
BATCH, MAX_FAILURES = 500, 3


class Outcome(StrEnum):
    """What became of a push."""

    NOTHING = "nothing to do"
    UP_TO_DATE = "up to date"
    SENT = "sent"
    REFUSED = "refused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one round of a push sends.

    Attributes:
        revision: of the outbox row when it was claimed.
        values: for Clerk's public metadata; empty if Clerk holds all of it already.
    """

    revision: int
    values: dict[str, Any]


def push_user(user_id: int, *, ignore_schedule: bool = False) -> Outcome:
    """Bring what is ours of one person to Clerk, if something waits and nobody else is at it.

    Clerk being away is no error: the push waits for its next attempt, and says why on its row.

    Args:
        ignore_schedule: do not wait for the time of the next attempt.
    """
    outcome = Outcome.NOTHING
    for _ in range(MAX_ROUNDS):
        claimed = _claim(user_id, ignore_schedule=ignore_schedule)
        if claimed is None:
            return outcome
        try:
            outcome = _round(claimed)
        except ClerkApiError as error:
            _plan_next(claimed, error)
            return Outcome.FAILED
        except BaseException as error:
            _plan_next(claimed, error)
            raise
    return outcome


def restart(user_id: int) -> bool:
    """Have a push made now whatever became of it before, and return whether there was one to be made."""
    found = MetadataPush.objects.filter(user_id=user_id).update(
        state=State.PENDING, next_attempt_at=timezone.now(), attempts=0, bounces=0, revision=F("revision") + 1
    )
    if found:
        outbox.defer_push(user_id)
    return bool(found)


def push_due() -> int:
    """Make the pushes that are due; return how many. It ends early where Clerk seems to be away."""
    due = _unclaimed(timezone.now()).filter(next_attempt_at__lte=timezone.now())
    user_ids = list(due.order_by("next_attempt_at").values_list("user_id", flat=True)[:BATCH])
    failures = made = 0
    for user_id in user_ids:
        made += 1
        failures = failures + 1 if push_user(user_id) is Outcome.FAILED else 0
        if failures == MAX_FAILURES:
            log.warning("Clerk seems to be away; %d pushes and more wait.", len(user_ids) - made)
            break
    return made


def _claim(user_id: int, *, ignore_schedule: bool = False) -> MetadataPush | None:
    """Return the row if something waits, and keep others from it while this push is under way."""
    now = timezone.now()
    waiting = _unclaimed(now).filter(user_id=user_id)
    if not ignore_schedule:
        waiting = waiting.filter(next_attempt_at__lte=now)
    # One statement, so that of two rivals one finds the row claimed.
    if not waiting.update(claimed_until=now + CLAIM, attempts=F("attempts") + 1):
        return None
    return MetadataPush.objects.select_related("user").get(user_id=user_id)


def _unclaimed(now: datetime) -> QuerySet[MetadataPush]:
    return MetadataPush.objects.filter(Q(claimed_until=None) | Q(claimed_until__lte=now), state=State.PENDING)


def _round(claimed: MetadataPush) -> Outcome:
    if claimed.user.clerk_id is None:
        return _drop(claimed)
    payload = api.get_user(str(claimed.user.clerk_id))
    wish = _wish(claimed, payload)
    if not wish.values:
        return _settle(claimed, wish, Outcome.UP_TO_DATE)
    try:
        answer = api.merge_public_metadata(str(claimed.user.clerk_id), wish.values)
    except ClerkRejectedError as error:
        return _give_up(claimed, wish, error)
    return _settle(claimed, wish, Outcome.SENT, answer)


def _drop(claimed: MetadataPush) -> Outcome:
    """Take note that there is nobody at Clerk to be told of: the identity was moved to another account."""
    now = timezone.now()
    MetadataPush.objects.filter(pk=claimed.pk).update(state=State.DONE, done_at=now, claimed_until=None, last_error="")
    return Outcome.NOTHING


@transaction.atomic
def _wish(claimed: MetadataPush, payload: ClerkUser | ClerkUserDeleted) -> _Wish:
    """Apply what Clerk says now, and return what it should hold instead."""
    apply_user(payload, origin=SYSTEM)
    user = User.objects.get(pk=claimed.user_id)
    revision = MetadataPush.objects.values_list("revision", flat=True).get(pk=claimed.pk)
    if user.deleted_at or isinstance(payload, ClerkUserDeleted):
        return _Wish(revision, {})
    values = outbox.outdated_facts(user)
    if user.has_pending_roles:
        wanted = roles.effective_roles(user, payload.roles)
        if wanted != payload.roles:
            values["roles"] = [*wanted, *payload.other_roles]
    return _Wish(revision, values)


@transaction.atomic
def _settle(claimed: MetadataPush, wish: _Wish, outcome: Outcome, answer: ClerkUser | None = None) -> Outcome:
    """Apply Clerk's answer, and take note that it holds what was sent; what changed meanwhile still waits."""
    user, is_latest = _without_pending_roles(claimed, wish)
    if answer:
        apply_user(answer, origin=SYSTEM)
        user.refresh_from_db()
    if is_latest:
        _recount_roles(user)
    row = MetadataPush.objects.select_for_update(no_key=True).get(pk=claimed.pk)
    row.user, row.next_attempt_at, row.claimed_until = user, timezone.now(), None
    row.attempts, row.last_error = 0, ""
    if row.revision == wish.revision:
        row.done_at, row.state = timezone.now(), State.DONE
        if user.deleted_at is None and outbox.outdated_facts(user):
            outbox.record_bounce(row)  # an event that is newer than the answer came before it
    update(row, ["state", "next_attempt_at", "claimed_until", "attempts", "last_error", "done_at", "bounces"])
    return Outcome.STOPPED if row.state == State.STOPPED else outcome


@transaction.atomic
def _give_up(claimed: MetadataPush, wish: _Wish, error: ClerkRejectedError) -> Outcome:
    """Restore Clerk's roles, of which its copy counts; facts that are ours stay, and are reported as drift."""
    user, is_latest = _without_pending_roles(claimed, wish)
    if is_latest:
        _recount_roles(user)
    row = MetadataPush.objects.select_for_update(no_key=True).get(pk=claimed.pk)
    if row.revision == wish.revision:
        row.state = State.REFUSED
        action = AuditLog.Action.PUSH_REFUSED
        audit_log.record(action, actor=None, target=user, code=error.code, refused=wish.values, reason=str(error))
    row.last_error, row.next_attempt_at, row.claimed_until = str(error)[:2000], timezone.now(), None
    update(row, ["state", "last_error", "next_attempt_at", "claimed_until"])
    return Outcome.REFUSED


def _without_pending_roles(claimed: MetadataPush, wish: _Wish) -> tuple[User, bool]:
    """Return the person, locked, and whether nothing changed since the wish; then no role is pending any more.

    Roles change under the lock of the person only, so what is pending is what was wished for.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=claimed.user_id)
    is_latest = MetadataPush.objects.filter(pk=claimed.pk, revision=wish.revision).exists()
    if is_latest and user.has_pending_roles:
        user.roles_added, user.roles_removed = [], []
        update(user, ["roles_added", "roles_removed"])
    return user, is_latest


def _recount_roles(user: User) -> None:
    """Let the roles that Clerk holds be the ones that count."""
    before, user.roles = user.roles, roles.effective_roles(user)
    if user.deleted_at is None and not user.is_provisional and user.roles != before:
        update(user, ["roles"])
        roles.announce_changes(user, before, actor=None, origin=SYSTEM)


def _plan_next(claimed: MetadataPush, error: BaseException) -> None:
    """Give the claim back, and say when and why it is tried again."""
    wait = WAITS[min(claimed.attempts, len(WAITS)) - 1]
    text = f"{error}"[:2000].replace("\x00", "\ufffd")
    waiting = MetadataPush.objects.filter(pk=claimed.pk, state=State.PENDING)
    waiting.update(next_attempt_at=timezone.now() + wait, claimed_until=None, last_error=text)
