"""Deleting one's account: asked for, slept over, then done at Clerk, from where it comes back like any other deletion."""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.clerk.payloads import ClerkUserDeleted
from accounts.models import User
from accounts.sync.apply import apply_user
from audit import log as audit_log
from audit.log import SYSTEM
from audit.models import AuditLog
from core.db.statements import update

log = logging.getLogger(__name__)

#: For changing one's mind.
COOLING_OFF = timedelta(days=7)


class DeletionError(Exception):
    """An account that cannot be deleted in this way; the message says why."""


@transaction.atomic
def request_deletion(user: User, *, actor: User, origin: audit_log.Origin) -> User:
    """Have an account deleted when the time to change one's mind is over; asked for twice, the first time counts.

    Raises:
        DeletionError: it is a local operator's, or deleted already.
    """
    locked: User = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not locked.clerk_id or locked.deleted_at:
        raise DeletionError(_("%s is not at Clerk, so there is no account to delete.") % locked)
    if locked.deletion_due_at is None:
        _set_due(locked, AuditLog.Action.DELETION_REQUESTED, timezone.now() + COOLING_OFF, actor, origin)
    return locked


@transaction.atomic
def cancel_deletion(user: User, *, actor: User, origin: audit_log.Origin) -> User:
    """Keep an account after all; nothing happens if nobody asked for its deletion, or it is deleted."""
    locked: User = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.deletion_due_at is not None and locked.deleted_at is None:
        _set_due(locked, AuditLog.Action.DELETION_CANCELLED, None, actor, origin)
    return locked


def delete_due() -> int:
    """Delete at Clerk and here whose time is over; return how many. Who cannot be deleted now is tried again."""
    due = User.objects.live().filter(deletion_due_at__lte=timezone.now(), clerk_id__isnull=False)
    deleted = 0
    for user_id, clerk_id in list(due.order_by("deletion_due_at").values_list("pk", "clerk_id")):
        try:
            deleted += _delete(user_id, clerk_id)
        except ClerkApiError as error:
            log.warning("%s could not be deleted at Clerk, and is tried again: %s", clerk_id, error)
    return deleted


def _delete(user_id: int, clerk_id: str) -> bool:
    # Looked at just before, because the person may have changed their mind while others were deleted.
    if not User.objects.live().filter(pk=user_id, deletion_due_at__lte=timezone.now()).exists():
        return False
    api.delete_user(clerk_id)
    with transaction.atomic():
        # Clerk's event finds a tombstone then, and is stale; or it was faster, and this is.
        apply_user(ClerkUserDeleted(clerk_id, timezone.now()), origin=SYSTEM)
    return True


def _set_due(user: User, action: AuditLog.Action, due_at: object, actor: User, origin: audit_log.Origin) -> None:
    changes = {"deletion_due_at": (user.deletion_due_at, due_at)}
    user.deletion_due_at = due_at  # type: ignore[assignment]
    update(user, ["deletion_due_at"])
    audit_log.record(action, actor=actor, target=user, origin=origin, changes=changes)
