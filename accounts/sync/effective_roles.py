"""Effective roles are Clerk's roles with pending local changes applied, and the roles that organizations give.

Once Clerk has sent a user's roles, Clerk is authoritative. A local change takes effect immediately and stays pending
until Clerk confirms it. Pending changes are stored as roles to add and roles to remove, not as a list, so that
concurrent changes in Clerk (such as a revoked admin role) are neither lost nor undone.
"""

from collections.abc import Iterable

from accounts import signals
from accounts.models import User
from accounts.sync.changes import RoleChange
from audit import log
from audit.log import Actor
from audit.models import AuditLog

Action = AuditLog.Action
Role = User.Role


def effective_roles(user: User, clerk_roles: Iterable[str] | None = None) -> list[Role]:
    """Return the roles that a user has.

    Args:
        clerk_roles: the roles in Clerk, if they differ from `user.clerk_roles`.
    """
    held = {*roles_for_clerk(user, clerk_roles), *user.organization_roles}
    return [role for role in Role if role in held]


def roles_for_clerk(user: User, clerk_roles: Iterable[str] | None = None) -> list[Role]:
    """Apply pending local changes to the roles in Clerk, and return the result.

    Roles from organizations are not part of Clerk's list. The user would otherwise keep them after leaving.
    """
    held = user.clerk_roles if clerk_roles is None else clerk_roles
    base = {Role.CLIENT} if held is None else set(held)
    wanted = (base - set(user.roles_removed)) | set(user.roles_added)
    return [role for role in Role if role in wanted]


def personal_roles(user: User) -> list[Role]:
    """Return the roles that a user keeps after leaving all organizations, including roles of accounts from before Clerk."""
    only_from_organizations = set(user.organization_roles) - set(roles_for_clerk(user))
    return [Role(role) for role in user.roles if role not in only_from_organizations]


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
