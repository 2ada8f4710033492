"""Permissions to change roles."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from accounts.models import User

Role = User.Role


class RoleChangeError(Exception):
    """The role change is not allowed. The message is shown to the person who requested it."""


def changeable_roles(actor: User, user: User) -> frozenset[Role]:
    if not user.is_active or not user.clerk_id or user.is_provisional or not actor.is_active:
        return frozenset()
    is_own = actor.pk == user.pk
    if actor.is_superuser or actor.has_role(Role.ADMIN):
        # Admins cannot remove their own admin role, so at least one admin always remains.
        return frozenset(Role) - ({Role.ADMIN} if is_own else frozenset())
    return User.SELF_SERVICE_ROLES if is_own else frozenset()


def check_permission(actor: User, user: User, roles: Iterable[Role]) -> None:
    """Raise `RoleChangeError` if `actor` is not allowed to change all of `roles` for `user`."""
    if not user.is_active or not user.clerk_id or user.is_provisional:
        raise RoleChangeError(_("%(name)s is not active in Clerk, so their roles cannot be changed.") % {"name": user})
    for role in sorted(set(roles) - changeable_roles(actor, user)):
        if role == Role.ADMIN and actor.pk == user.pk and actor.has_role(Role.ADMIN):
            raise RoleChangeError(_("You cannot remove your own Admin role. Ask another admin to do it."))
        raise RoleChangeError(_("Only an admin can change the role %(role)s.") % {"role": Role(role).label})
