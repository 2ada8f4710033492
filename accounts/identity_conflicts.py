"""What an admin does about a conflict of identities. Each resolution is audited, and can be taken back.

To link, or to move a profile, the identity at Clerk moves and the accounts stay: the account that was there first, with its
profiles and its history, gets the Clerk id and everything that Clerk says, and the other account gets what the first one had.
Done twice, it is undone.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import roles, signals
from accounts.models import IdentityConflict, User
from accounts.sync import matching, outbox
from accounts.sync.apply import ROLE_FIELDS, SYNCED_FIELDS, UNAUDITED_FIELDS, VERSION_FIELDS
from audit import log
from audit.models import AuditLog
from core.db.statements import update

State = IdentityConflict.State
#: What belongs to an identity and moves with it.
IDENTITY = (
    "clerk_id",
    *SYNCED_FIELDS,
    *UNAUDITED_FIELDS,
    *VERSION_FIELDS,
    *ROLE_FIELDS,
    "roles_added",
    "roles_removed",
    "deleted_at",
    "deletion_due_at",
)


class ResolutionError(Exception):
    """A resolution that is not possible; the message says why, to the admin."""


@transaction.atomic
def resolve(conflict: IdentityConflict, state: State, *, actor: User, origin: log.Origin, note: str = "") -> None:
    """Resolve an open conflict.

    Args:
        state: how: LINKED and MOVED join the two accounts, KEPT and DISMISSED leave them as they are.

    Raises:
        ResolutionError: somebody else resolved it, or it cannot be resolved so.
    """
    conflict, user, other = _locked(conflict)
    if not conflict.is_open:
        raise ResolutionError(_("Somebody has resolved this already: %s.") % conflict.get_state_display())
    if state in (State.LINKED, State.MOVED):
        _refuse_unless_joinable(state, user, other)
        _move_identity(user, other, actor, origin)
    _close(conflict, state, actor, origin, note)


@transaction.atomic
def undo(conflict: IdentityConflict, *, actor: User, origin: log.Origin, note: str = "") -> None:
    """Take a resolution back and open the conflict again. Roles that Clerk was told of meanwhile stay.

    Raises:
        ResolutionError: it is open, or one of the accounts has changed so that it cannot be.
    """
    conflict, user, other = _locked(conflict)
    if conflict.is_open:
        raise ResolutionError(_("This conflict is open; there is nothing to take back."))
    _refuse_if_erased(user, other)
    if conflict.state in (State.LINKED, State.MOVED):
        # The identity is at `other` now, and goes back where it came from.
        if other.clerk_id != conflict.evidence["user"]["clerk_id"]:
            raise ResolutionError(_("The identity has moved on since, so this cannot be taken back."))
        _move_identity(other, user, actor, origin, back_to=conflict.evidence["user"]["roles"])
    _close(conflict, State.OPEN, actor, origin, note)


def available_resolutions(conflict: IdentityConflict) -> list[State]:
    """Return the resolutions an admin can choose of."""
    found = []
    for state in (State.LINKED, State.MOVED):
        try:
            _refuse_unless_joinable(state, conflict.user, conflict.other)
        except ResolutionError:
            continue
        found.append(state)
    return [*found, State.KEPT, State.DISMISSED] if conflict.is_open else []


def _refuse_if_erased(*accounts: User) -> None:
    for account in accounts:
        if account.erased_at:
            raise ResolutionError(_("%s was erased, so nobody can tell any more who it was.") % account)


def _refuse_unless_joinable(state: State, user: User, other: User) -> None:
    _refuse_if_erased(user, other)
    if user.clerk_id is None or user.deleted_at:
        raise ResolutionError(_("%s is not at Clerk any more, so there is no identity to move.") % user)
    if other.is_superuser:
        raise ResolutionError(_("%s is a local superuser: nobody gets that by an address.") % other)
    if (state == State.LINKED) != (other.clerk_id is None):
        raise ResolutionError(_("Link accounts from before Clerk, and move profiles of people who were at Clerk."))


def _move_identity(
    giver: User, taker: User, actor: User, origin: log.Origin, *, back_to: list[str] | None = None
) -> None:
    """Exchange all that Clerk says between two accounts; whoever has no identity after it is put to rest.

    The taker keeps the roles that its profiles came with, but for power over others, and Clerk is told.

    Args:
        back_to: to undo it, the roles that the identity had; an account from before Clerk gets its life back then.
    """
    before = {user.pk: matching.snapshot(user) for user in (giver, taker)}
    roles_before = {user.pk: user.roles for user in (giver, taker)}
    values = _exchange(giver, taker)
    taker.is_active = _may_live(taker)
    giver.is_active = (giver.clerk_id is not None or back_to is not None) and _may_live(giver)
    if back_to is None:
        taker.roles_added = sorted(
            {*taker.roles_added, *(roles.SELF_SERVICE_ROLES & set(roles_before[taker.pk]) - set(taker.roles))}
        )
    else:
        taker.roles_added = [role for role in taker.roles_added if role in back_to]
    taker.roles = roles.effective_roles(taker)
    User.objects.filter(pk=giver.pk).update(clerk_id=None)  # it is unique at every moment
    for user in (taker, giver):
        update(user, list(IDENTITY))
    for user in (taker, giver):
        moved: dict[str, Any] = {"before": before[user.pk], "after": matching.snapshot(user)}
        log.record(AuditLog.Action.IDENTITY_MOVED, actor=actor, target=user, origin=origin, **moved)
        if user.is_active:
            _announce(user, values, roles_before[user.pk], actor, origin)


def _exchange(giver: User, taker: User) -> dict[str, tuple[Any, Any]]:
    """Give each of two accounts what belongs to the other's identity, unsaved; return what the two had, by field."""
    values = {field: (getattr(giver, field), getattr(taker, field)) for field in IDENTITY}
    for field, (givers, takers) in values.items():
        setattr(taker, field, givers)
        setattr(giver, field, takers)
    return values


def _may_live(user: User) -> bool:
    return user.deleted_at is None and not user.banned


def _announce(
    user: User, values: dict[str, tuple[Any, Any]], roles_before: list[str], actor: User, origin: log.Origin
) -> None:
    """Tell the log and the apps above what is different about an account that lives on."""
    changes = {}
    for field in SYNCED_FIELDS:
        one, another, now = *values[field], getattr(user, field)
        if one != another:
            changes[field] = (another if now == one else one, now)
    if changes:
        log.record(AuditLog.Action.USER_UPDATED, actor=actor, target=user, origin=origin, changes=changes)
        signals.user_synced.send(User, user=user, changes=changes, created=False, origin=origin)
    roles.announce_changes(user, roles_before, actor=actor, origin=origin)
    outbox.queue_push(user)


def _locked(conflict: IdentityConflict) -> tuple[IdentityConflict, User, User]:
    """Return the conflict and its accounts, locked, the accounts in the order of their keys."""
    pair = (conflict.user_id, conflict.other_id)
    users = {user.pk: user for user in User.objects.select_for_update(no_key=True).filter(pk__in=pair).order_by("pk")}
    locked = IdentityConflict.objects.select_for_update(no_key=True).get(pk=conflict.pk)
    return locked, users[locked.user_id], users[locked.other_id]


def _close(conflict: IdentityConflict, state: State, actor: User, origin: log.Origin, note: str) -> None:
    changes = {"state": (conflict.state, state)}
    conflict.state, conflict.note, conflict.resolved_by = state, note, actor
    conflict.resolved_at = None if state == State.OPEN else timezone.now()
    conflict.save(update_fields=["state", "note", "resolved_by", "resolved_at"])
    log.record(
        AuditLog.Action.CONFLICT_RESOLVED,
        actor=actor,
        target=conflict,
        subject=conflict.user,
        origin=origin,
        changes=changes,
        note=note,
    )
