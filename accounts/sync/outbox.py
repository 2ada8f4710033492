"""The outbox: queue pushes of local roles and profile data to a user's public metadata in Clerk.

There is one row per user, written in the same transaction as the change. The row does not contain the values.
accounts.sync.push reads them when it runs, so that many changes result in one push of the latest values.
docs/ownership.md lists the owner of each field.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app as queue

from accounts.clerk.user_fields import METADATA_KEYS
from accounts.extensions import extensions
from accounts.models import MetadataPush, User
from audit import log as audit_log
from audit.log import SYSTEM
from audit.models import AuditLog
from core.db.statements import insert_if_new, update
from core.english import counted

log = logging.getLogger(__name__)

State = MetadataPush.State
#: Values that a missing key stands for. A new profile that has only default values therefore needs no push.
DEFAULTS: dict[str, Any] = {"validationTier": 1}
#: Pushing stops after this many consecutive pushes that were each reverted within the window, because another system
#: then owns the keys.
MAX_BOUNCES, BOUNCE_WINDOW = 3, timedelta(hours=1)
ADVICE = "Follow the runbook Changes are not reaching Clerk."


def queue_push(user: User) -> None:
    """Queue a push after a local change. Call this in the same transaction as the change."""
    _queue(user, changed_here=True)


def queue_pushes_if_outdated(users: Sequence[User]) -> None:
    """Queue pushes for users whose last payload from Clerk differed from the local values, or whose roles are pending.

    Must run in a transaction.
    """
    for user in find_outdated(users):
        _queue(user, changed_here=False)


def find_outdated(users: Sequence[User]) -> list[User]:
    """Return the users for whom `queue_pushes_if_outdated` queues a push."""
    live = [user for user in users if user.deleted_at is None]
    ours = local_metadata(user for user in live if not user.has_pending_roles) if live else {}
    return [user for user in live if user.has_pending_roles or compare_metadata(user, ours.get(user.pk, {}))]


def outdated_metadata(user: User) -> dict[str, Any]:
    """Return local values for the metadata keys that are outdated in Clerk. None removes the key."""
    return compare_metadata(user, local_metadata([user]).get(user.pk, {}))


def compare_metadata(user: User, ours: Mapping[str, Any]) -> dict[str, Any]:
    if not ours and not user.clerk_metadata:
        return {}
    wanted = {key: ours.get(key) for key in METADATA_KEYS}
    return {key: value for key, value in wanted.items() if not _agree(key, value, user.clerk_metadata.get(key))}


def local_metadata(users: Iterable[User]) -> dict[int, dict[str, Any]]:
    """Return the profile values to push, by user ID. Users without values are omitted."""
    return dict(extensions.pushed_metadata(list(users)))


def record_bounce(push: MetadataPush) -> None:
    """Record, without saving, that Clerk returned different values right after a push. Stop after `MAX_BOUNCES`."""
    is_soon = push.done_at is not None and push.done_at > timezone.now() - BOUNCE_WINDOW
    push.bounces = push.bounces + 1 if is_soon else 0
    push.state = State.PENDING
    if push.bounces >= MAX_BOUNCES:
        stop_push(push)


def stop_push(push: MetadataPush) -> None:
    """Stop pushing because another system keeps changing the values, and log and audit it. Does not save the row."""
    push.state = State.STOPPED
    pushes = counted(push.bounces, "push", "pushes")
    push.last_error = f"Another system changed the values after {pushes} in a row. {ADVICE}"
    # Log only on commit, because dry runs of events also reach this point and are rolled back.
    message = "Stopped pushing the metadata of %s: another system keeps changing it. %s"
    transaction.on_commit(partial(log.error, message, push.user.clerk_id, ADVICE))
    audit_log.record(AuditLog.Action.PUSH_STOPPED, actor=SYSTEM, target=push.user, bounces=push.bounces)


def defer_push(user_id: int) -> None:
    if settings.CLERK_SECRET_KEY:
        # Refer to the task by name, because the push module imports this module.
        queue.configure_task("accounts.tasks.push_metadata").defer(user_id=user_id)


def _queue(user: User, *, changed_here: bool) -> None:
    now = timezone.now()
    push = MetadataPush(user=user, state=State.PENDING, requested_at=now, next_attempt_at=now)
    if insert_if_new(push):
        defer_push(user.pk)
        return
    push = MetadataPush.objects.select_for_update(no_key=True).get(user=user)
    push.user = user
    if not changed_here and push.state != State.DONE:
        return  # The push is already pending or was abandoned.
    if push.state != State.PENDING:
        push.requested_at, push.attempts, push.last_error = now, 0, ""
        push.next_attempt_at = now
    if changed_here:
        push.state, push.bounces = State.PENDING, 0
        push.revision += 1
    else:
        record_bounce(push)
    update(push, ["state", "revision", "requested_at", "next_attempt_at", "attempts", "last_error", "bounces"])
    if push.state == State.PENDING:
        defer_push(user.pk)


def _agree(key: str, ours: Any, theirs: Any) -> bool:
    """Return whether two values are equal after applying the defaults.

    Unlike in Python, true does not equal 1 in JSON.
    """
    one, other = (DEFAULTS.get(key) if value is None else value for value in (ours, theirs))
    return one == other and isinstance(one, bool) == isinstance(other, bool)
