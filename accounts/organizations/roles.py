"""Give users the roles that CLERK_ORGANIZATION_ROLES maps to their roles in organizations.

These roles are separate from Clerk's list of roles and pending changes (accounts.sync.effective_roles), and are never
pushed to Clerk. They depend only on current memberships, whose versions decide which event wins. A user who leaves an
organization therefore loses a role only if no other source gives it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import batched

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue

from accounts.models import OrganizationMembership, User
from accounts.sync import derived_state
from accounts.sync.effective_roles import announce_changes, effective_roles
from audit.log import SYSTEM, Actor
from core.db.joined_writes import update_all
from core.jobs import describe

Role = User.Role
#: Maximum number of users whose roles are updated with the event. A job updates further members.
MAX_USERS = 100


def update_roles(origins: Mapping[str, Actor], *, skip_locked: bool = False) -> None:
    """Update the organization roles of users. Must run in a transaction.

    Args:
        origins: the users' Clerk IDs, each with the origin of the change for the audit log.
        skip_locked: do not wait for users that other transactions have locked. A job updates them later.
    """
    now, later = sorted(origins)[:MAX_USERS], sorted(origins)[MAX_USERS:]
    users = derived_state.lock("clerk_id", now, skip_locked=skip_locked)
    given = _given_roles(now)
    before = {user.pk: user.roles for user in users}
    changed = [user for user in users if _set_roles(user, given[str(user.clerk_id)])]
    update_all(changed, ["organization_roles", "roles"])
    known = [(user, origins[str(user.clerk_id)]) for user in changed if not user.is_provisional]
    announce_changes([(user, before[user.pk], actor) for user, actor in known])
    derived_state.repair(known)
    if skip_locked:
        later += _existing(set(now) - {str(user.clerk_id) for user in users})
    if later:
        update_organization_roles.defer(clerk_ids=later)


def _existing(clerk_ids: set[str]) -> list[str]:
    """Return the IDs that have a user. A membership can be deleted before its user is known."""
    users = User.objects.filter(clerk_id__in=clerk_ids).order_by("clerk_id") if clerk_ids else User.objects.none()
    return [str(clerk_id) for clerk_id in users.values_list("clerk_id", flat=True)]


def refresh() -> int:
    """Update all users whose organization roles are outdated, for example after a change of the setting.

    Returns:
        How many users were updated.
    """
    given = _given_roles()
    stored = User.objects.live().exclude(organization_roles=[]).filter(clerk_id__isnull=False)
    stored_roles = {str(key): set(roles) for key, roles in stored.values_list("clerk_id", "organization_roles")}
    outdated = [key for key in {*given, *stored_roles} if given[key] != stored_roles.get(key, set())]
    for group in batched(sorted(outdated), MAX_USERS):
        with transaction.atomic():
            update_roles(dict.fromkeys(group, SYSTEM))
    return len(outdated)


def _given_roles(clerk_ids: Collection[str] | None = None) -> defaultdict[str, set[Role]]:
    """Return the roles that organizations give to these users, or to all users, by Clerk ID."""
    mapping = settings.CLERK_ORGANIZATION_ROLES
    memberships = OrganizationMembership.objects.live().filter(role__in=list(mapping))
    if clerk_ids is not None:
        memberships = memberships.filter(user__clerk_id__in=clerk_ids)
    given = defaultdict[str, set[Role]](set)
    for clerk_id, role in memberships.values_list("user__clerk_id", "role"):
        given[str(clerk_id)].add(Role(mapping[role]))
    return given


def _set_roles(user: User, given: set[Role]) -> bool:
    """Set a user's organization roles, and return whether they changed. A provisional user gets roles with Clerk's data."""
    if user.deleted_at or set(user.organization_roles) == given:
        return False
    user.organization_roles = [role for role in Role if role in given]
    if not user.is_provisional:
        user.roles = effective_roles(user)
    return True


@queue.task(retry=RetryStrategy(max_attempts=8, exponential_wait=3))
@describe(
    _("Update roles from organizations"),
    _(
        "Updates the roles that members get from an organization. If the job fails, the next hourly comparison corrects the roles."
    ),
)
def update_organization_roles(clerk_ids: list[str]) -> None:
    with transaction.atomic():
        update_roles(dict.fromkeys(clerk_ids, SYSTEM))
