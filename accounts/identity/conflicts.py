"""Resolve identity conflicts for an admin. Every resolution is audited and can be undone.

Linking two accounts or moving a profile does not move the accounts but exchanges their Clerk identities. The older
account, which keeps its profiles and history, receives the Clerk ID and all fields owned by Clerk. The other account
receives the older account's former values. A second exchange undoes the first.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import signals
from accounts.extensions import extensions
from accounts.models import IdentityConflict, User
from accounts.sync import matching, outbox
from accounts.sync.changes import UserSync
from accounts.sync.effective_roles import announce_changes, effective_roles, personal_roles, roles_for_clerk
from accounts.sync.fields import ROLE_FIELDS, SYNCED_FIELDS, UNAUDITED_FIELDS, VERSION_FIELDS
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.statements import update

State = IdentityConflict.State
#: Fields that belong to the identity and move with it.
IDENTITY_FIELDS = (
    "clerk_id",
    *SYNCED_FIELDS,
    *UNAUDITED_FIELDS,
    *VERSION_FIELDS,
    *ROLE_FIELDS,
    "roles_added",
    "roles_removed",
    "organization_roles",
    "deleted_at",
    "deletion_due_at",
)


class ResolutionError(Exception):
    """The conflict cannot be resolved this way. The message is shown to the admin."""


@transaction.atomic
def resolve(conflict: IdentityConflict, state: State, *, actor: Actor, note: str = "") -> None:
    """Resolve an open conflict.

    Args:
        state: LINKED or MOVED to join the two accounts, or KEPT or DISMISSED to leave them unchanged.

    Raises:
        ResolutionError: the conflict was already resolved, or this resolution is not possible.
    """
    conflict, user, other = _lock_conflict(conflict)
    if not conflict.is_open:
        raise ResolutionError(_("This conflict has already been resolved: %s.") % conflict.get_state_display())
    if state in (State.LINKED, State.MOVED):
        _refuse_unless_joinable(state, user, other)
        _move_identity(user, other, actor)
    _close(conflict, state, actor, note)


@transaction.atomic
def undo(conflict: IdentityConflict, *, actor: Actor, note: str = "") -> None:
    """Undo a resolution and reopen the conflict. Roles that the resolution gave to the identity are removed in Clerk.

    Raises:
        ResolutionError: the conflict is open, or the accounts have changed too much since.
    """
    conflict, user, other = _lock_conflict(conflict)
    if conflict.is_open:
        raise ResolutionError(_("This conflict is still open, so there is nothing to undo."))
    if not can_be_undone(conflict):
        raise ResolutionError(_("This has been undone already."))
    _refuse_if_erased(user, other)
    if conflict.state in (State.LINKED, State.MOVED):
        # `other` currently has the identity. Move it back to `user`.
        if other.clerk_id != conflict.evidence["user"]["clerk_id"]:
            raise ResolutionError(_("This cannot be undone, because the identity has been moved again since."))
        _move_identity(other, user, actor, given_roles=_given_roles(conflict))
    # Nothing is left to decide about a join by an admin.
    _close(conflict, State.DISMISSED if conflict.kind == IdentityConflict.Kind.MANUAL else State.OPEN, actor, note)


def _given_roles(conflict: IdentityConflict) -> set[str]:
    """Return the roles that joining the accounts gave to the Clerk identity."""
    user, other = (
        set(side.get("personal_roles", side["roles"]))
        for side in (conflict.evidence["user"], conflict.evidence["other"])
    )
    given = other - user
    return {str(role) for role in given & User.SELF_SERVICE_ROLES}


def can_be_undone(conflict: IdentityConflict) -> bool:
    is_undone_join = conflict.kind == IdentityConflict.Kind.MANUAL and conflict.state == State.DISMISSED
    return not conflict.is_open and not is_undone_join


def available_resolutions(conflict: IdentityConflict) -> list[State]:
    states = []
    for state in (State.LINKED, State.MOVED):
        try:
            _refuse_unless_joinable(state, conflict.user, conflict.other)
        except ResolutionError:
            continue
        states.append(state)
    return [*states, State.KEPT, State.DISMISSED] if conflict.is_open else []


def _refuse_if_erased(*accounts: User) -> None:
    for account in accounts:
        if account.erased_at:
            raise ResolutionError(_("%s has been erased and can no longer be identified.") % account)


def _refuse_unless_joinable(state: State, user: User, other: User) -> None:
    _refuse_if_erased(user, other)
    if user.clerk_id is None or user.deleted_at:
        raise ResolutionError(_("%s no longer exists in Clerk, so there is no identity to move.") % user)
    if other.clerk_id is None and not other.is_active:
        raise ResolutionError(
            _("%s is the empty account of an earlier join. Choose the account that is in use.") % other
        )
    if other.is_superuser:
        raise ResolutionError(_("%s is a local superuser and cannot be joined with another account.") % other)
    if (state == State.LINKED) != (other.clerk_id is None):
        raise ResolutionError(
            _("Link accounts from before Clerk. For accounts that have a Clerk identity, move the profile instead.")
        )


def _move_identity(source: User, target: User, actor: Actor, *, given_roles: set[str] | None = None) -> None:
    """Exchange two accounts' identity fields and deactivate the account without an identity.

    The receiving account keeps its self-service roles, but not ADMIN, and they are pushed to Clerk. Roles from its
    organizations stay with its old identity.

    Args:
        given_roles: the roles that the identity got by the move. Set this to undo a move. An account from before Clerk
            then becomes active again.
    """
    before = {user.pk: matching.snapshot(user) for user in (source, target)}
    roles_before = {user.pk: user.roles for user in (source, target)}
    kept = User.SELF_SERVICE_ROLES & set(personal_roles(target))
    values = _exchange(source, target)
    target.is_active = _can_be_active(target)
    source.is_active = (source.clerk_id is not None or given_roles is not None) and _can_be_active(source)
    if given_roles is None:
        target.roles_added = sorted({*target.roles_added, *(kept - set(roles_for_clerk(target)))})
    else:
        target.roles_added = [role for role in target.roles_added if role not in given_roles]
        target.roles_removed = sorted({*target.roles_removed, *(given_roles & set(target.clerk_roles or []))})
    target.roles = effective_roles(target)
    User.objects.filter(pk=source.pk).update(clerk_id=None)  # PostgreSQL checks the unique constraint immediately.
    for user in (target, source):
        update(user, list(IDENTITY_FIELDS))
    for user in (target, source):
        moved: dict[str, Any] = {"before": before[user.pk], "after": matching.snapshot(user)}
        log.record(AuditLog.Action.IDENTITY_MOVED, actor=actor, target=user, **moved)
        if user.is_active:
            _announce(user, values, roles_before[user.pk], actor)


def _exchange(source: User, target: User) -> dict[str, tuple[Any, Any]]:
    """Swap two accounts' identity fields without saving. Return both accounts' previous values by field."""
    values = {field: (getattr(source, field), getattr(target, field)) for field in IDENTITY_FIELDS}
    for field, (from_source, from_target) in values.items():
        setattr(target, field, from_source)
        setattr(source, field, from_target)
    return values


def _can_be_active(user: User) -> bool:
    return user.deleted_at is None and not user.banned


def _announce(user: User, values: dict[str, tuple[Any, Any]], roles_before: list[str], actor: Actor) -> None:
    changes = {}
    for field in SYNCED_FIELDS:
        one, other, now = *values[field], getattr(user, field)
        if one != other:
            changes[field] = (other if now == one else one, now)
    if changes:
        log.record(AuditLog.Action.USER_UPDATED, actor=actor, target=user, changes=changes)
        signals.users_synced.send(
            User, syncs=[UserSync(user, changes, created=False, actor=actor, roles_before=roles_before)]
        )
    announce_changes([(user, roles_before, actor)])
    extensions.ensure_derived_state([(user, actor)])
    outbox.queue_push(user)


def _lock_conflict(conflict: IdentityConflict) -> tuple[IdentityConflict, User, User]:
    """Return the locked conflict and its locked accounts. Accounts are locked in ID order to avoid deadlocks."""
    pair = (conflict.user_id, conflict.other_id)
    users = {user.pk: user for user in User.objects.select_for_update(no_key=True).filter(pk__in=pair).order_by("pk")}
    locked = IdentityConflict.objects.select_for_update(no_key=True).get(pk=conflict.pk)
    return locked, users[locked.user_id], users[locked.other_id]


def _close(conflict: IdentityConflict, state: State, actor: Actor, note: str) -> None:
    changes = {"state": (conflict.state, state)}
    conflict.state, conflict.note, conflict.resolved_by = state, note, actor.user
    conflict.resolved_at = None if state == State.OPEN else timezone.now()
    conflict.save(update_fields=["state", "note", "resolved_by", "resolved_at"])
    log.record(
        AuditLog.Action.CONFLICT_RESOLVED,
        actor=actor,
        target=conflict,
        subject=conflict.user,
        changes=changes,
        note=note,
    )
