"""Erasing who somebody was, some time after the account was deleted: ids, counts and the audit log's validity stay."""

from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import IdentityConflict, User
from audit import log
from audit.log import SYSTEM
from audit.models import AuditLog

#: For questions, disputes, and people who want to come back.
RETENTION = timedelta(days=30)
#: People erased by one run of the job, so that no run takes long.
BATCH = 500


def erase_due(*, dry_run: bool = False) -> list[str]:
    """Erase people whose account was deleted long enough ago; return their Clerk ids."""
    due = User.objects.filter(deleted_at__lt=timezone.now() - RETENTION, erased_at=None).order_by("deleted_at")
    found = list(due.values_list("pk", "clerk_id")[:BATCH])
    for user_id, _clerk_id in found if not dry_run else ():
        erase_user(user_id)
    return [str(clerk_id) for _, clerk_id in found]


@transaction.atomic
def erase_user(user_id: int) -> None:
    """Erase a deleted person everywhere, or nowhere, with the accounts that were joined to theirs.

    Raises:
        ValueError: the person is not deleted.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    if user.deleted_at is None:
        raise ValueError(f"{user} is not deleted, so nothing of theirs is erased.")
    if user.erased_at:
        return
    joined = IdentityConflict.objects.filter(other=user, state=IdentityConflict.State.LINKED)
    shells = User.objects.filter(pk__in=joined.values("user"), clerk_id=None, is_active=False)
    for account in (user, *shells):
        for module in settings.PERSONAL_DATA_MODULES:
            import_module(module).erase(account)
        User.objects.filter(pk=account.pk).update(erased_at=timezone.now())
    user.refresh_from_db()
    log.record(AuditLog.Action.PERSON_ERASED, actor=None, target=user, origin=SYSTEM)
