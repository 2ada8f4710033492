"""Rules for effective roles and for role changes. accounts.role_changes applies changes.

Once Clerk has sent a user's roles, Clerk's copy is authoritative. A change made here takes effect immediately and stays
pending until Clerk confirms it. Pending changes are stored as roles to add and roles to remove, not as a list, so that
concurrent changes at Clerk (such as a revoked admin role) are neither lost nor undone.
"""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from accounts import signals
from accounts.models import User
from audit import log
from audit.log import Actor
from audit.models import AuditLog

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


def announce_changes(user: User, before: Iterable[str], *, actor: Actor) -> bool:
    """Audit every role added or removed since `before`, send the signal, and return whether anything changed."""
    before = list(before)
    added = [role for role in user.roles if role not in before]
    removed = [role for role in before if role not in user.roles]
    for action, roles in ((AuditLog.Action.ROLE_ADDED, added), (AuditLog.Action.ROLE_REMOVED, removed)):
        for role in roles:
            log.record(action, actor=actor, target=user, role=role)
    if added or removed:
        signals.user_roles_changed.send(User, user=user, added=added, removed=removed, actor=actor)
    return bool(added or removed)
