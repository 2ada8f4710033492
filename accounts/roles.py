"""Rules for effective roles and for role changes. accounts.role_changes applies changes.

Once Clerk has sent a user's roles, Clerk's copy is authoritative. A change made here takes effect immediately and stays
pending until Clerk confirms it. Pending changes are stored as roles to add and roles to remove, not as a list, so that
concurrent changes at Clerk (such as a revoked admin role) are neither lost nor undone.
"""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from accounts import signals
from accounts.changes import RoleChange
from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog

Action = AuditLog.Action
Role = User.Role
#: Roles that users can add and remove themselves.
SELF_SERVICE_ROLES = frozenset({Role.CLIENT, Role.BUILDER})


class RoleChangeError(Exception):
    """The role change is not allowed. The message is shown to the person who requested it."""


def changeable_roles(actor: User, user: User) -> frozenset[Role]:
    if not user.is_active or not user.clerk_id or user.is_provisional or not actor.is_active:
        return frozenset()
    is_own = actor.pk == user.pk
    if actor.is_superuser or actor.has_role(Role.ADMIN):
        # Admins cannot remove their own admin role, so at least one admin always remains.
        return frozenset(Role) - ({Role.ADMIN} if is_own else frozenset())
    return SELF_SERVICE_ROLES if is_own else frozenset()


def check_permission(actor: User, user: User, roles: Iterable[Role]) -> None:
    """Raise `RoleChangeError` if `actor` is not allowed to change all of `roles` for `user`."""
    if not user.is_active or not user.clerk_id or user.is_provisional:
        raise RoleChangeError(_("%(name)s is not active at Clerk, so their roles cannot be changed.") % {"name": user})
    for role in sorted(set(roles) - changeable_roles(actor, user)):
        if role == Role.ADMIN and actor.pk == user.pk and actor.has_role(Role.ADMIN):
            raise RoleChangeError(_("You cannot remove your own Admin role. Ask another admin to do it."))
        raise RoleChangeError(_("Only an admin can change the role %(role)s.") % {"role": Role(role).label})


def effective_roles(user: User, clerk_roles: Iterable[str] | None = None) -> list[Role]:
    """Apply pending local changes to the roles in Clerk, and return the result.

    Args:
        clerk_roles: the roles in Clerk, if they differ from `user.clerk_roles`.
    """
    held = user.clerk_roles if clerk_roles is None else clerk_roles
    base = {Role.CLIENT} if held is None else set(held)
    wanted = (base - set(user.roles_removed)) | set(user.roles_added)
    return [role for role in Role if role in wanted]


def announce_changes(changed: Iterable[tuple[User, Iterable[str], Actor]]) -> list[User]:
    """Audit every role that users gained or lost, and send one signal for all of them.

    Args:
        changed: users with their roles before the change, and who changed them.

    Returns:
        The users whose roles differ.
    """
    changes = [change for user, before, actor in changed if (change := _difference(user, list(before), actor))]
    for change in changes:
        for action, roles in ((Action.ROLE_ADDED, change.added), (Action.ROLE_REMOVED, change.removed)):
            for role in roles:
                log.record(action, actor=change.actor, target=change.user, role=role)
    if changes:
        signals.roles_changed.send(User, changes=changes)
    return [change.user for change in changes]


def _difference(user: User, before: list[str], actor: Actor) -> RoleChange | None:
    added = [role for role in user.roles if role not in before]
    removed = [role for role in before if role not in user.roles]
    return RoleChange(user, added, removed, actor) if added or removed else None
