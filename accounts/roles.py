"""Who has which role: the rules, and the one function by which people and admins change it.

Clerk's copy is what counts once it is known. A change made here counts at once, and is pending until Clerk has it. It is
kept as what to give and what to take, not as a list, so that what changes at Clerk meanwhile, such as an admin's role being
withdrawn, is neither lost nor undone.
"""

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import signals
from accounts.models import User
from accounts.sync import outbox
from audit import log
from audit.models import AuditLog
from core.db.statements import update

Role = User.Role
#: What people may give themselves, and give up.
FREE = frozenset({Role.CLIENT, Role.BUILDER})


class RoleChangeError(Exception):
    """A change of roles that is not allowed; the message says why, to the person who asked."""


def may_change(actor: User, user: User) -> frozenset[Role]:
    """Return the roles that `actor` may give to `user` or take from them."""
    if not user.is_active or not user.clerk_id or user.is_provisional or not actor.is_active:
        return frozenset()
    is_own = actor.pk == user.pk
    if actor.is_superuser or actor.has_role(Role.ADMIN):
        # Nobody locks themselves out, so there is always an admin left.
        return frozenset(Role) - ({Role.ADMIN} if is_own else frozenset())
    return FREE if is_own else frozenset()


@transaction.atomic
def change(
    user: User, *, add: Iterable[Role] = (), remove: Iterable[Role] = (), actor: User, origin: log.Origin
) -> list[Role]:
    """Give and take roles: here at once, profiles included, and at Clerk as soon as it can be reached.

    Args:
        user: whose; it is brought up to date.
        add, remove: what is to change; what is so already is no change.

    Returns:
        The roles that really came or went.

    Raises:
        RoleChangeError: the actor may not, or there is nobody here whose roles could be changed.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    given, taken = set(add) - set(locked.roles), set(remove) & set(locked.roles)
    refuse_unless_allowed(actor, locked, given | taken)
    if given or taken:
        before = locked.roles
        locked.roles_added = sorted((set(locked.roles_added) - taken) | given)
        locked.roles_removed = sorted((set(locked.roles_removed) - given) | taken)
        locked.roles = effective(locked)
        update(locked, ["roles", "roles_added", "roles_removed"])
        announce(locked, before, actor=actor, origin=origin)
        outbox.request(locked)
    user.roles = locked.roles
    return [role for role in Role if role in given | taken]


def refuse_unless_allowed(actor: User, user: User, roles: Iterable[Role]) -> None:
    """Raise `RoleChangeError` if `actor` may not change one of `roles` of `user`."""
    if not user.is_active or not user.clerk_id or user.is_provisional:
        raise RoleChangeError(_("%(name)s is not active at Clerk, so there are no roles to change.") % {"name": user})
    for role in sorted(set(roles) - may_change(actor, user)):
        if role == Role.ADMIN and actor.pk == user.pk and actor.has_role(Role.ADMIN):
            raise RoleChangeError(_("Ask another admin to take the role Admin from you."))
        raise RoleChangeError(_("Only an admin can change the role %(role)s.") % {"role": Role(role).label})


def effective(user: User, clerk_roles: Iterable[str] | None = None) -> list[Role]:
    """Return the roles that count: those Clerk holds, with what is pending here.

    Args:
        clerk_roles: what Clerk holds, if something else than is stored on the user.
    """
    held = user.clerk_roles if clerk_roles is None else clerk_roles
    base = {Role.CLIENT} if held is None else set(held)
    wanted = (base - set(user.roles_removed)) | set(user.roles_added)
    return [role for role in Role if role in wanted]


def announce(user: User, before: Iterable[str], *, actor: User | None, origin: log.Origin) -> bool:
    """Write one audit row for each role that came or went, tell the apps above, and return whether any did."""
    before = list(before)
    added = [role for role in user.roles if role not in before]
    removed = [role for role in before if role not in user.roles]
    for action, roles in ((AuditLog.Action.ROLE_ADDED, added), (AuditLog.Action.ROLE_REMOVED, removed)):
        for role in roles:
            log.record(action, actor=actor, target=user, origin=origin, role=role)
    if added or removed:
        signals.user_roles_changed.send(User, user=user, added=added, removed=removed, actor=actor, origin=origin)
    return bool(added or removed)
