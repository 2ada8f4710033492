"""Lock the rows of organizations, memberships and invitations, and insert missing rows."""

from collections.abc import Mapping

from accounts.models import Organization, OrganizationInvitation, OrganizationMembership, User
from accounts.sessions import services as sessions
from core.db.statements import insert_new, lock

type Row = Organization | OrganizationMembership | OrganizationInvitation


def lock_or_insert[R: Row](model: type[R], wanted: Mapping[str, R], *, skip_locked: bool) -> dict[str, R]:
    """Return locked rows by Clerk ID.

    Args:
        wanted: for each Clerk ID, the row to insert if it does not exist.
        skip_locked: omit rows that other transactions have locked, instead of waiting for them.
    """
    rows = _lock(model, wanted, skip_locked=skip_locked)
    # In one order everywhere, so that concurrent transactions cannot deadlock.
    new = [wanted[clerk_id] for clerk_id in sorted(set(wanted) - set(rows))]
    rows |= {row.clerk_id: row for row in insert_new(new, key="clerk_id")}
    # The insert waited for concurrent transactions to commit, so the other rows exist now. Jobs delete only rows that are
    # old, or whose user has been deleted for a month. If a row is deleted in between, it is left out.
    return rows | _lock(model, set(wanted) - set(rows), skip_locked=skip_locked)


def lock_unchanged(clerk_ids: set[str], *, skip_locked: bool) -> dict[str, Organization]:
    """Return organizations by Clerk ID, and prevent their deletion until the transaction ends.

    A concurrent deletion would otherwise not find the members that this transaction adds, and they would keep the roles
    that the organization gives. The events of other members do not wait.
    """
    rows = lock(Organization, "clerk_id", sorted(clerk_ids), skip_locked=skip_locked, is_shared=True)
    return {row.clerk_id: row for row in rows}


def _lock[R: Row](model: type[R], clerk_ids: Mapping[str, R] | set[str], *, skip_locked: bool) -> dict[str, R]:
    return {row.clerk_id: row for row in lock(model, "clerk_id", list(clerk_ids), skip_locked=skip_locked)}


def find_users(clerk_ids: set[str], *, members: set[str]) -> dict[str, User]:
    """Return users by Clerk ID. Unknown members are created provisionally, like users who sign in before their event.

    Args:
        members: the users to create. They must be in `clerk_ids`.
    """
    users = _users(clerk_ids)
    if unknown := members - set(users):
        sessions.create_provisional(unknown)
        users |= _users(unknown)
    return users


def _users(clerk_ids: set[str]) -> dict[str, User]:
    if not clerk_ids:
        return {}
    return {str(user.clerk_id): user for user in User.objects.filter(clerk_id__in=clerk_ids)}
