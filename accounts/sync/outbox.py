"""What Clerk is to be told: roles changed here, and the facts of profiles that Clerk keeps a copy of.

The outbox is one row for each person, written in the transaction of the change. It does not hold what to send: that is
read from the person and the profiles when the push is made (accounts.sync.push), so that many changes make one push, and
the last word wins. docs/ownership.md says who owns which field.
"""

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from procrastinate.contrib.django import app as queue

from accounts.clerk.fields import METADATA_KEYS
from accounts.models import MetadataPush, User
from audit import log as audit_log
from audit.models import AuditLog
from core.db.statements import insert_if_new, update

log = logging.getLogger(__name__)

State = MetadataPush.State
#: What a missing key means. So nobody's metadata is written only because a profile was made.
DEFAULTS: dict[str, Any] = {"validationTier": 1, "availableForHire": True}
#: Somebody else who keeps writing other values is let win after so many pushes within a while of each other.
MAX_BOUNCES, BOUNCE_WINDOW = 3, timedelta(hours=1)


def queue_push(user: User) -> None:
    """Have what is ours brought to Clerk, because it was changed here. Call it in the transaction of the change."""
    _put(user, changed_here=True)


def queue_push_if_outdated(user: User) -> None:
    """Have what is ours brought to Clerk if Clerk is known to hold something else; in a transaction."""
    if user.deleted_at is None and outdated_facts(user):
        _put(user, changed_here=False)


def outdated_facts(user: User) -> dict[str, Any]:
    """Return the facts that Clerk is known to hold otherwise, with our values; None where it should hold none."""
    return compare_facts(user, local_facts([user.pk]).get(user.pk, {}))


def compare_facts(user: User, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of `ours` Clerk is known to hold otherwise; see `outdated_facts`."""
    wanted = {key: ours.get(key) for key in METADATA_KEYS}
    return {key: value for key, value in wanted.items() if not _agree(key, value, user.clerk_metadata.get(key))}


def local_facts(user_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return the facts of each person who has any, from the apps above; one or two statements for all of them."""
    found: dict[int, dict[str, Any]] = import_string(settings.CLERK_METADATA_PROVIDER)(list(user_ids))
    return found


def record_bounce(push: MetadataPush) -> None:
    """Take note, without saving, that other values came back right after ours had reached Clerk; stop after a few."""
    is_soon = push.done_at is not None and push.done_at > timezone.now() - BOUNCE_WINDOW
    push.bounces = push.bounces + 1 if is_soon else 0
    push.state = State.PENDING
    if push.bounces >= MAX_BOUNCES:
        stop_push(push)


def stop_push(push: MetadataPush) -> None:
    """Let whoever keeps writing other values win, and say so."""
    push.state = State.STOPPED
    push.last_error = f"After {push.bounces} pushes something else wrote other values; see the runbook on drift."
    # Not before it is so: a dry run of an event gets here, too, and is undone.
    told = "Pushes of the metadata of %s were stopped: something else keeps writing it."
    transaction.on_commit(partial(log.error, told, push.user.clerk_id))
    audit_log.record(AuditLog.Action.PUSH_STOPPED, actor=None, target=push.user, bounces=push.bounces)


def defer_push(user_id: int) -> None:
    """Have the push made soon, if Clerk can be asked at all."""
    if settings.CLERK_SECRET_KEY:
        # Named, because the task imports what imports this module.
        queue.configure_task("accounts.tasks.push_metadata").defer(user_id=user_id)


def _put(user: User, *, changed_here: bool) -> None:
    now = timezone.now()
    push = MetadataPush(user=user, state=State.PENDING, requested_at=now, next_attempt_at=now)
    if insert_if_new(push):
        defer_push(user.pk)
        return
    push = MetadataPush.objects.select_for_update(no_key=True).get(user=user)
    push.user = user
    if not changed_here and push.state != State.DONE:
        return  # it is under way, or there is no point in it
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
    """Return whether two values mean the same; Python takes True for 1, and JSON does not."""
    one, other = (DEFAULTS.get(key) if value is None else value for value in (ours, theirs))
    return one == other and isinstance(one, bool) == isinstance(other, bool)
