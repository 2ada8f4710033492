"""Match new Clerk users with existing accounts: link them if the match is certain, otherwise open an identity conflict.

The Clerk ID is the identity. An account from before Clerk is linked only if it has no Clerk ID, is the only account with
that email (ignoring case), has no admin access, and the email is verified in Clerk. Linking by an unverified email would
let anyone take over an account.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.clerk.payloads import ClerkUser
from accounts.models import IdentityConflict, User
from accounts.sync.effective_roles import personal_roles
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.statements import hot_cursor, insert_if_new

Kind, State = IdentityConflict.Kind, IdentityConflict.State
#: SQL condition for inserting a user. NOT EXISTS would make PostgreSQL join the whole table.
NO_OTHER_ACCOUNT = """(
    SELECT other.id FROM accounts_user other
    WHERE lower(other.email) = lower(new.email) AND other.clerk_id IS DISTINCT FROM new.clerk_id LIMIT 1
) IS NULL"""
#: Raw SQL, because this runs for every changed email and the ORM would compile the query each time.
_SAME_EMAIL = """
SELECT given.email, other.id
FROM unnest(%s::text[]) AS given (email) CROSS JOIN LATERAL (
    SELECT id FROM accounts_user
    WHERE lower(email) = given.email AND (clerk_id IS NULL OR clerk_id <> ALL(%s::text[])) ORDER BY id LIMIT 20
) other
"""

_CLOSE_OBSOLETE = f"""
UPDATE accounts_identityconflict conflict SET state = '{State.OBSOLETE}', resolved_at = %s
FROM unnest(%s::bigint[], %s::text[]) AS given (id, email)
WHERE (conflict.user_id = given.id OR conflict.other_id = given.id) AND conflict.state = '{State.OPEN}'
  AND conflict.email <> given.email
"""  # noqa: S608  # contains only states

#: Pairs of a Clerk user and another account that is from before Clerk, was deleted, or is older.
_UNRECORDED_PAIRS = """
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


def users_with_emails(emails: Collection[str], *, exclude_clerk_ids: Collection[str]) -> dict[str, list[User]]:
    """Return the accounts with these emails, ignoring case, except those with `exclude_clerk_ids`, by lowercase email.

    Deleted users are included. The empty accounts that linking leaves behind, inactive and without a Clerk ID, are not.
    """
    if not emails:
        return {}
    with hot_cursor() as cursor:
        cursor.execute(_SAME_EMAIL, [[email.lower() for email in emails], list(exclude_clerk_ids)])
        email_of = {pk: email for email, pk in cursor.fetchall()}
    found: dict[str, list[User]] = defaultdict(list)
    if email_of:
        users = User.objects.filter(pk__in=email_of).exclude(clerk_id=None, is_active=False)
        for user in users.order_by("pk"):
            found[email_of[user.pk]].append(user)
    return found


def is_linkable(payload: ClerkUser, others: Sequence[User]) -> bool:
    """Return whether `others` is one account that certainly belongs to the person of `payload`."""
    return len(others) == 1 and payload.email_verified_at is not None and _is_unclaimed(others[0])


def lock_unclaimed(account: User) -> User | None:
    """Lock an account from before Clerk, or return None if a concurrent transaction has linked it already."""
    unclaimed = User.objects.select_for_update(no_key=True).filter(pk=account.pk, clerk_id=None, is_active=True)
    return next(iter(unclaimed), None)


def open_conflicts(user: User, others: Sequence[User], actor: Actor) -> int:
    """Open a conflict between `user` and each of `others`, and return how many were opened.

    Pairs that already had a conflict are skipped, except that obsolete conflicts are reopened.
    """
    if not others:
        return 0
    existing = _existing_conflicts(user, others)
    opened = 0
    for other in others:
        conflict = existing.get(other.pk) or IdentityConflict(user=user, other=other)
        if conflict.pk and not conflict.can_be_replaced:
            continue
        conflict.kind = _kind(conflict.user, conflict.other, several=len(others) > 1)
        conflict.evidence = {"user": snapshot(conflict.user), "other": snapshot(conflict.other)}
        conflict.email, conflict.state, conflict.resolved_at = str(user.email), State.OPEN, None
        if conflict.pk:
            conflict.save(update_fields=["kind", "evidence", "email", "state", "resolved_at"])
        elif not insert_if_new(conflict):
            continue  # a concurrent transaction opened it
        opened += 1
        record_opened(conflict, actor)
    return opened


def record_opened(conflict: IdentityConflict, actor: Actor) -> None:
    log.record(
        AuditLog.Action.CONFLICT_OPENED,
        actor=actor,
        target=conflict,
        subject=conflict.user,
        kind=conflict.kind,
        other=conflict.other_id,
    )


def _existing_conflicts(user: User, others: Sequence[User]) -> dict[int, IdentityConflict]:
    """Return all conflicts between `user` and `others`, in either direction, keyed by the ID of the other account."""
    pairs = Q(user=user, other__in=others) | Q(user__in=others, other=user)
    found = IdentityConflict.objects.filter(pairs).select_related("user", "other")
    return {c.other_id if c.user_id == user.pk else c.user_id: c for c in found}


def refresh_conflicts(users: Sequence[User]) -> dict[str, list[User]]:
    """Close conflicts about the users' old emails.

    Args:
        users: users from Clerk, no two with the same email.

    Returns:
        Other accounts with the new emails, keyed by lowercase email. See `open_conflicts`.
    """
    if not users:
        return {}
    with hot_cursor() as cursor:
        now, emails = timezone.now(), [user.email or "" for user in users]
        cursor.execute(_CLOSE_OBSOLETE, [now, [user.pk for user in users], emails])
    return users_with_emails(
        [email for email in emails if email], exclude_clerk_ids=[str(user.clerk_id) for user in users]
    )


def open_missing_conflicts(actor: Actor) -> int:
    """Open conflicts for accounts with the same email that existed before emails were compared.

    Returns:
        How many were opened. Each run handles at most 1,000 pairs; the next run continues.
    """
    with connection.cursor() as cursor:
        cursor.execute(_UNRECORDED_PAIRS)
        pairs = cursor.fetchall()
    accounts = User.objects.in_bulk({pk for pair in pairs for pk in pair})
    opened = 0
    for person, found in groupby(pairs, key=itemgetter(0)):
        with transaction.atomic():
            opened += open_conflicts(accounts[person], [accounts[other] for _, other in found], actor)
    return opened


def snapshot(user: User) -> dict[str, Any]:
    return {
        "clerk_id": user.clerk_id,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "verified": user.email_verified_at is not None,
        "roles": list(user.roles),
        "personal_roles": personal_roles(user),
        "created_at": user.created_at.isoformat(),
        "deleted_at": user.deleted_at.isoformat() if user.deleted_at else None,
    }


def _is_unclaimed(user: User) -> bool:
    return user.clerk_id is None and user.is_active and not _has_admin_access(user)


def _has_admin_access(user: User) -> bool:
    return user.is_superuser or User.Role.ADMIN in user.roles


def _kind(user: User, other: User, *, several: bool) -> IdentityConflict.Kind:
    if other.deleted_at:
        return Kind.RECREATED
    if other.clerk_id:
        return Kind.OTHER_ID
    if _has_admin_access(other):
        return Kind.STAFF
    if user.email_verified_at is None:
        return Kind.UNVERIFIED
    return Kind.SEVERAL if several else Kind.SEPARATE
