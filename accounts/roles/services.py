"""Change a user's roles here and queue the change for Clerk."""

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.roles.permissions import RoleChangeError, check_permission
from accounts.sync import derived_state, outbox
from accounts.sync.effective_roles import announce_changes, effective_roles
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.statements import update


@transaction.atomic
def change_roles(
    user: User, *, add: Iterable[User.Role] = (), remove: Iterable[User.Role] = (), actor: Actor, reason: str = ""
) -> list[User.Role]:
    """Add and remove roles. Profiles change immediately. The roles are pushed to Clerk as soon as it is reachable.

    The acting user is read again under a lock, because an admin may have lost the role since the request started. Two admins
    who remove each other's role at the same time therefore cannot leave the site without an admin.

    Args:
        user: the user whose roles change. `user.roles` is updated in place.
        add, remove: the roles to add and remove. Roles that already match are ignored.
        reason: why an admin makes the change. Empty if users change their own roles.

    Returns:
        The roles that were actually added or removed.

    Raises:
        RoleChangeError: `actor` is not allowed to make this change, the user is not active in Clerk, or an organization
            gives the user a role that is to be removed.
    """
    found = {row.pk: row for row in derived_state.lock("id", {user.pk, actor.user.pk})}
    locked, acting = found[user.pk], found[actor.user.pk]
    added, removed = set(add) - set(locked.roles), set(remove) & set(locked.roles)
    check_permission(acting, locked, added | removed)
    _refuse_roles_of_organizations(locked, removed)
    if added or removed:
        before = locked.roles
        locked.roles_added = sorted((set(locked.roles_added) - removed) | added)
        locked.roles_removed = sorted((set(locked.roles_removed) - added) | removed)
        locked.roles = effective_roles(locked)
        update(locked, ["roles", "roles_added", "roles_removed"])
        announce_changes([(locked, before, actor)])
        if reason:
            log.record(AuditLog.Action.ROLES_CHANGED, actor=actor, target=locked, note=reason)
        outbox.queue_push(locked)
    derived_state.repair([(locked, actor)])
    user.roles = locked.roles
    return [role for role in User.Role if role in added | removed]


def _refuse_roles_of_organizations(user: User, removed: Iterable[User.Role]) -> None:
    for role in sorted(set(removed) & set(user.organization_roles)):
        message = _("The role %(role)s comes from an organization membership. Change the membership instead.")
        raise RoleChangeError(message % {"role": User.Role(role).label})
