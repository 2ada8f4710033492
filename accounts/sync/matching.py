"""Whether somebody new at Clerk is somebody known here: link when it is certain, and ask an admin otherwise.

Identity is the Clerk id. An account from before Clerk is linked only when its address is verified at Clerk and equal
ignoring case, it has no Clerk id, it is the only account with that address, and it has no power over others. Whoever links by
an address that is not verified gives strangers the accounts of others.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.clerk.payloads import ClerkUser
from accounts.models import IdentityConflict, User
from audit import log
from audit.models import AuditLog
from core.db.statements import insert_if_new

Kind, State = IdentityConflict.Kind, IdentityConflict.State
#: Asked with every new person, so not put together anew by the ORM each time.
_SAME_ADDRESS = (
    "SELECT id FROM accounts_user WHERE lower(email) = %s AND clerk_id IS DISTINCT FROM %s ORDER BY id LIMIT 20"
)

#: Pairs of somebody at Clerk and another account that is from before Clerk, was deleted, or came earlier.
_SEPARATE = """
SELECT person.id, other.id
FROM accounts_user person JOIN accounts_user other ON lower(other.email) = lower(person.email) AND other.id <> person.id
WHERE person.clerk_id IS NOT NULL AND person.deleted_at IS NULL
  AND CASE WHEN other.clerk_id IS NULL THEN other.is_active ELSE other.deleted_at IS NOT NULL OR other.id < person.id END
  AND NOT EXISTS (
      SELECT FROM accounts_identityconflict known
      WHERE (known.user_id, known.other_id) IN ((person.id, other.id), (other.id, person.id))
  )
ORDER BY person.id, other.id LIMIT 1000
"""


def users_with_email(email: str | None, *, exclude_clerk_id: str | None) -> list[User]:
    """Return the accounts that have this address, ignoring case, without the one with the Clerk id `but`.

    Accounts that were given up when they were linked are not among them; those of deleted people are.
    """
    if email is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_SAME_ADDRESS, [email.lower(), exclude_clerk_id])
        ids = [row[0] for row in cursor.fetchall()]
    return list(_real(User.objects.filter(pk__in=ids).order_by("pk"))) if ids else []


def find_linkable(payload: ClerkUser, others: Sequence[User]) -> User | None:
    """Return the account of `others` that is certainly the person's, locked; None if there is none."""
    if len(others) != 1 or payload.email_verified_at is None or not _is_unclaimed(others[0]):
        return None
    # Whoever was faster has given it an id by now, and then it is not found.
    unclaimed = User.objects.select_for_update(no_key=True).filter(pk=others[0].pk, clerk_id=None, is_active=True)
    return next(iter(unclaimed), None)


def open_conflicts(user: User, others: Sequence[User], origin: log.Origin) -> int:
    """Put each pair of accounts with one address into the admins' queue, unless it was there before; return how many.

    A pair whose conflict closed by itself is there again, because it is true again.
    """
    if not others:
        return 0
    known = _known(user, others)
    opened = 0
    for other in others:
        conflict = known.get(other.pk) or IdentityConflict(user=user, other=other)
        if conflict.state != State.OBSOLETE and conflict.pk:
            continue
        conflict.kind = _kind(conflict.user, conflict.other, several=len(others) > 1)
        conflict.evidence = {"user": snapshot(conflict.user), "other": snapshot(conflict.other)}
        conflict.email, conflict.state, conflict.resolved_at = str(user.email), State.OPEN, None
        if conflict.pk:
            conflict.save(update_fields=["kind", "evidence", "email", "state", "resolved_at"])
        elif not insert_if_new(conflict):
            continue  # a rival was faster
        opened += 1
        _record_opened(conflict, origin)
    return opened


def _record_opened(conflict: IdentityConflict, origin: log.Origin) -> None:
    log.record(
        AuditLog.Action.CONFLICT_OPENED,
        actor=None,
        target=conflict,
        subject=conflict.user,
        origin=origin,
        kind=conflict.kind,
        other=conflict.other_id,
    )


def _known(user: User, others: Sequence[User]) -> dict[int, IdentityConflict]:
    """Return the conflicts there are or were between an account and others, whichever came first, by the other's key."""
    pairs = Q(user=user, other__in=others) | Q(user__in=others, other=user)
    found = IdentityConflict.objects.filter(pairs).select_related("user", "other")
    return {c.other_id if c.user_id == user.pk else c.user_id: c for c in found}


def refresh_conflicts(user: User, origin: log.Origin) -> None:
    """Close open conflicts that are not true any more, and open those that are, after the address of `user` changed."""
    involved = IdentityConflict.objects.filter(Q(user=user) | Q(other=user), state=State.OPEN)
    involved.exclude(email=(user.email or "")).update(state=State.OBSOLETE, resolved_at=timezone.now())
    open_conflicts(user, users_with_email(user.email, exclude_clerk_id=user.clerk_id), origin)


def open_missing_conflicts(origin: log.Origin) -> int:
    """Open conflicts for accounts with one address that nobody was asked about, because they are older than the asking.

    Returns:
        How many; a first run that finds very many leaves the rest to the next.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SEPARATE)
        pairs = cursor.fetchall()
    accounts = User.objects.in_bulk({pk for pair in pairs for pk in pair})
    opened = 0
    for person, found in groupby(pairs, key=itemgetter(0)):
        with transaction.atomic():
            opened += open_conflicts(accounts[person], [accounts[other] for _, other in found], origin)
    return opened


def snapshot(user: User) -> dict[str, Any]:
    """Return what an admin compares two accounts by."""
    return {
        "clerk_id": user.clerk_id,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "verified": user.email_verified_at is not None,
        "roles": list(user.roles),
        "created_at": user.created_at.isoformat(),
        "deleted_at": user.deleted_at.isoformat() if user.deleted_at else None,
    }


def _real(users: Any) -> Any:
    """Leave out the empty shells that linking leaves behind: inactive, and without an identity."""
    return users.exclude(clerk_id=None, is_active=False)


def _is_unclaimed(user: User) -> bool:
    """Return whether an account is from before Clerk, and nobody special's."""
    return user.clerk_id is None and user.is_active and not _has_power(user)


def _has_power(user: User) -> bool:
    return user.is_superuser or User.Role.ADMIN in user.roles


def _kind(user: User, other: User, *, several: bool) -> IdentityConflict.Kind:
    if other.deleted_at:
        return Kind.RECREATED
    if other.clerk_id:
        return Kind.OTHER_ID
    if _has_power(other):
        return Kind.STAFF
    if user.email_verified_at is None:
        return Kind.UNVERIFIED
    return Kind.SEVERAL if several else Kind.SEPARATE
