"""Erase personal data after a deleted account's retention period.

IDs, counts and the audit log's seals remain valid.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import IdentityConflict, User
from core import personal_data

#: Retention period for questions, disputes and users who want to return.
RETENTION = timedelta(days=30)
#: Maximum number of users per run, so that each run is short.
BATCH = 500


def erase_due(*, dry_run: bool = False) -> list[str]:
    """Erase users whose retention period has ended, and return their Clerk IDs."""
    due = User.objects.filter(deleted_at__lt=timezone.now() - RETENTION, erased_at=None).order_by("deleted_at")
    found = list(due.values_list("pk", "clerk_id")[:BATCH])
    for user_id, _clerk_id in found if not dry_run else ():
        erase_user(user_id)
    return [str(clerk_id) for _, clerk_id in found]


@transaction.atomic
def erase_user(user_id: int) -> None:
    """Erase a deleted user and the linked accounts in all apps, in one transaction.

    Raises:
        ValueError: the user is not deleted.
    """
    user = User.objects.select_for_update(no_key=True).get(pk=user_id)
    if user.deleted_at is None:
        raise ValueError(f"{user} is not deleted. Only deleted users can be erased.")
    if user.erased_at:
        return
    joined = IdentityConflict.objects.filter(other=user, state=IdentityConflict.State.LINKED)
    shells = User.objects.filter(pk__in=joined.values("user"), clerk_id=None, is_active=False)
    for account in (user, *shells):
        # The audit log is last, because its trigger requires that the user is marked as erased.
        User.objects.filter(pk=account.pk).update(erased_at=timezone.now())
        for module in personal_data.modules.values():
            module.erase(account)
