"""State that other apps derive from users, for example profiles that depend on roles.

`accounts.extensions` provides a condition for outdated state and a function that updates it. The statement that locks a
user also evaluates the condition, so each sync can check it without an additional statement.
"""

import logging
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, cast

from django.db import transaction
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from accounts.extensions import extensions
from accounts.models import User
from audit.log import SYSTEM, Actor
from core.db import statements

log = logging.getLogger(__name__)

#: Maximum number of users that one run of `repair_all` repairs. The next run continues.
MAX_USERS = 1000


def with_check(users: QuerySet[User]) -> QuerySet[User]:
    """Annotate each user with `has_outdated_state`."""
    return users.annotate(has_outdated_state=_check())


def _check() -> RawSQL:
    # This is safe, because the condition is a constant in the app that registered it.
    return RawSQL(f"({extensions.outdated_state_sql})", (), output_field=BooleanField())  # noqa: S611


def lock(column: str, values: Collection[object], *, skip_locked: bool = False) -> list[User]:
    """Lock users in primary key order, and check their derived state. See `core.db.statements.lock`."""
    check = (("has_outdated_state", f"({extensions.outdated_state_sql})"),)
    return statements.lock(User, column, values, annotations=check, skip_locked=skip_locked)


def is_outdated(user: User) -> bool:
    """Return whether the user's derived state was outdated when `with_check` loaded it."""
    return bool(getattr(user, "has_outdated_state", False)) and user.deleted_at is None


def repair(users: Iterable[tuple[User, Actor]]) -> None:
    """Update the derived state of locked users where it was outdated when they were locked."""
    outdated = [(user, actor) for user, actor in users if is_outdated(user)]
    if outdated:
        extensions.ensure_derived_state(outdated)
    for user, _ in outdated:
        cast("Any", user).has_outdated_state = False  # set by lock
        # Log on commit only: dry runs of events also reach this code, but are rolled back.
        transaction.on_commit(partial(log.warning, "Repaired the state derived from user %s.", user.clerk_id))


def repair_all() -> int:
    """Repair Clerk users with outdated state, and return how many were repaired.

    Accounts from before Clerk are repaired when they are linked.
    """
    outdated = User.objects.live().exclude(clerk_id=None).exclude(clerk_version="").filter(_check())
    ids = list(outdated.order_by("pk").values_list("pk", flat=True)[:MAX_USERS])
    return sum(_repair_isolated(pk) for pk in ids)


def _repair_isolated(pk: int) -> bool:
    try:
        with transaction.atomic():
            repair((user, SYSTEM) for user in lock("id", [pk]))
    except Exception:
        log.exception("The state derived from user %s could not be repaired.", pk)
        return False
    return True
