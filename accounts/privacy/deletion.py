"""Delete accounts in Clerk after a cooling-off period that starts with the user's request.

The deletion is then applied here like any other deletion from Clerk.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.clerk import api
from accounts.clerk.api import ClerkApiError
from accounts.clerk.payloads import ClerkUserDeleted
from accounts.models import User
from accounts.notifications import account_emails
from accounts.sync.apply import apply_user
from audit import log as audit_log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from core.db.statements import update

log = logging.getLogger(__name__)

COOLING_OFF = timedelta(days=7)


class DeletionError(Exception):
    """The account cannot be deleted this way. The message is shown to the user."""


@transaction.atomic
def request_deletion(user: User, *, actor: Actor) -> User:
    """Schedule the deletion of an account after the cooling-off period. A repeated request does not extend the period.

    Raises:
        DeletionError: the account belongs to a local operator or is already deleted.
    """
    locked: User = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not locked.clerk_id or locked.deleted_at:
        raise DeletionError(_("%s has no account in Clerk, so there is nothing to delete.") % locked)
    if locked.deletion_due_at is None:
        due_at = timezone.now() + COOLING_OFF
        _set_due(locked, AuditLog.Action.DELETION_REQUESTED, due_at, actor)
        account_emails.notify_deletion_request(locked, due_at)
    return locked


@transaction.atomic
def cancel_deletion(user: User, *, actor: Actor) -> User:
    """Cancel a scheduled deletion. Do nothing if no deletion is scheduled or the account is already deleted."""
    locked: User = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.deletion_due_at is not None and locked.deleted_at is None:
        _set_due(locked, AuditLog.Action.DELETION_CANCELLED, None, actor)
    return locked


def delete_due() -> int:
    """Delete due accounts in Clerk and here, and return how many. Failures are retried by the next run."""
    if not settings.LIVE_SITE:
        return 0
    due = User.objects.live().filter(deletion_due_at__lte=timezone.now(), clerk_id__isnull=False)
    deleted = 0
    rows = list(due.order_by("deletion_due_at").values_list("pk", "clerk_id"))
    for user_id, clerk_id in [(user_id, clerk_id) for user_id, clerk_id in rows if clerk_id]:
        try:
            deleted += _delete(user_id, clerk_id)
        except ClerkApiError as error:
            log.warning("Could not delete user %s in Clerk. The next run retries it: %s", clerk_id, error)
    return deleted


def _delete(user_id: int, clerk_id: str) -> bool:
    # Check again, because the user may have cancelled while earlier accounts were being deleted.
    if not User.objects.live().filter(pk=user_id, deletion_due_at__lte=timezone.now()).exists():
        return False
    api.delete_user(clerk_id)
    with transaction.atomic():
        # If Clerk's event arrives later, it is stale. If it has already arrived, this deletion is stale.
        apply_user(ClerkUserDeleted(clerk_id, timezone.now()), actor=SYSTEM)
    return True


def _set_due(user: User, action: AuditLog.Action, due_at: datetime | None, actor: Actor) -> None:
    changes = {"deletion_due_at": (user.deletion_due_at, due_at)}
    user.deletion_due_at = due_at
    update(user, ["deletion_due_at"])
    audit_log.record(action, actor=actor, target=user, changes=changes)
