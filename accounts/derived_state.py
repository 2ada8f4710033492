"""State that other apps derive from users, such as the profiles that follow from roles.

`accounts.extensions` names a condition for outdated state and a function that brings it up to date. The statement that
locks a user also evaluates the condition, so each sync checks it without another statement.
"""

import logging

from django.db import transaction
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from accounts.extensions import extensions
from accounts.models import User
from audit.log import SYSTEM, Actor

log = logging.getLogger(__name__)

#: Users repaired by one run of `repair_all`. The next run continues.
MAX_USERS = 1000


def with_check(users: QuerySet[User]) -> QuerySet[User]:
    """Annotate each user with `has_outdated_state`."""
    return users.annotate(has_outdated_state=_check())


def _check() -> RawSQL:
    # Safe: the condition is a constant of the app that registered it.
    return RawSQL(f"({extensions.outdated_state_sql})", (), output_field=BooleanField())  # noqa: S611


def locked() -> QuerySet[User]:
    """Return a query of users that locks them and checks their derived state."""
    # NO KEY UPDATE lets other transactions insert rows that refer to these.
    return with_check(User.objects.select_for_update(no_key=True))


def is_outdated(user: User) -> bool:
    """Return whether the derived state of `user` was outdated when `with_check` loaded it."""
    return bool(getattr(user, "has_outdated_state", False)) and user.deleted_at is None


def repair(user: User, actor: Actor) -> None:
    """Bring the derived state of a locked user up to date if it was outdated when the user was loaded."""
    if is_outdated(user):
        extensions.ensure_derived_state(user, actor)
        # Only on commit: a dry run of an event also gets here and is rolled back.
        transaction.on_commit(lambda: log.warning("Repaired the state derived from user %s.", user.clerk_id))


def repair_all() -> int:
    """Repair outdated state of Clerk users, and return how many were repaired.

    Accounts from before Clerk are repaired when they are linked.
    """
    outdated = User.objects.live().exclude(clerk_id=None).exclude(clerk_version="").filter(_check())
    ids = list(outdated.order_by("pk").values_list("pk", flat=True)[:MAX_USERS])
    return sum(_repair_isolated(pk) for pk in ids)


def _repair_isolated(pk: int) -> bool:
    try:
        with transaction.atomic():
            repair(locked().get(pk=pk), SYSTEM)
    except Exception:
        log.exception("The state derived from user %s could not be repaired.", pk)
        return False
    return True
