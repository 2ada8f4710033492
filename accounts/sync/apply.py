"""Apply user payloads from Clerk, in any order and any number of times.

Webhooks, retries, replays, fetches and reconciliation all call `apply_users`, with one payload or many. Each field comes
from the payload with the highest version that contains it, and a deletion is final. The same set of payloads therefore
produces the same state in every order, even if some payloads lack keys.

Payloads that concern the same user or the same email are applied in separate rounds, in their order. Within a round, users
are decided in memory, and each table is written with one statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX

from accounts import signals
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted, Rank
from accounts.extensions import extensions
from accounts.models import User
from accounts.notifications import account_emails
from accounts.sync import derived_state, fields, matching, outbox
from accounts.sync.changes import Changes, UserSync
from accounts.sync.effective_roles import announce_changes, effective_roles
from accounts.sync.fields import SYNCED_FIELDS, WRITTEN_FIELDS
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.joined_writes import joined, update_all
from core.db.statements import insert_new, update

Action = AuditLog.Action
type Payload = ClerkUser | ClerkUserDeleted


class Outcome(StrEnum):
    APPLIED = "applied"
    STALE = "stale"  # a newer payload or a deletion was applied before, and no field was written
    LEFT_OUT = "left out"  # must be applied alone; only with `skip_locked`


@dataclass(slots=True)
class _Step:
    """A payload, its user, and the changes from applying the payload.

    Attributes:
        others: other accounts with the new or changed email.
        is_inserted: whether this transaction inserted the row. is_new: whether this is the first payload for the user.
        roles_before: None if the payload did not set the roles.
    """

    payload: Payload
    actor: Actor
    user: User | None = None
    outcome: Outcome = Outcome.APPLIED
    others: list[User] = field(default_factory=list)
    is_inserted: bool = False
    is_new: bool = False
    is_done: bool = False
    must_write: bool = False
    changes: Changes = field(default_factory=dict)
    roles_before: list[str] | None = None
    metadata_changed: bool = False

    @property
    def clerk_id(self) -> str:
        return str(self.payload.clerk_id)

    def finish(self, outcome: Outcome) -> None:
        self.outcome, self.is_done = outcome, True


def apply_user(payload: Payload, *, actor: Actor) -> Outcome:
    """Update one user. See `apply_users`."""
    [outcome] = apply_users([(payload, actor)])
    return outcome


def apply_users(payloads: Sequence[tuple[Payload, Actor]], *, skip_locked: bool = False) -> list[Outcome]:
    """Update users from their payloads. Must run in a transaction; the users' rows stay locked until it ends.

    Args:
        payloads: each with its origin, for the audit log. A deletion must have a Clerk ID.
        skip_locked: do not wait for users that other transactions have locked, and link no accounts. Such payloads are
            left out, and the caller applies each of them alone.
    """
    steps = [_Step(payload, actor) for payload, actor in payloads]
    # The user of a single user.created event is not stored yet, except in a repeat, so a query for it would be wasted.
    is_new = len(steps) == 1 and isinstance(steps[0].payload, ClerkUser) and steps[0].payload.rank is Rank.CREATED
    users = {} if is_new else _lock([step.clerk_id for step in steps], skip_locked=skip_locked)
    with joined():
        for group in _rounds(steps, users):
            for step in group:
                step.user = users.get(step.clerk_id)
            _apply_round(group, skip_locked=skip_locked)
            users |= {step.clerk_id: step.user for step in group if step.user}
    return [step.outcome for step in steps]


def _lock(clerk_ids: list[str], *, skip_locked: bool = False) -> dict[str, User]:
    found = derived_state.lock("clerk_id", clerk_ids, skip_locked=skip_locked)
    return {str(user.clerk_id): user for user in found}


def _rounds(steps: list[_Step], users: dict[str, User]) -> list[list[_Step]]:
    """Split steps into rounds so that no user or email appears twice in a round.

    Steps for the same user or email keep their order.
    """
    if len(steps) == 1:
        return [steps]
    keys = {clerk_id: {clerk_id, (user.email or "").lower()} - {""} for clerk_id, user in users.items()}
    rounds: list[list[_Step]] = []
    next_round: dict[str, int] = {}
    for step in steps:
        # All emails that the user has had so far, because an earlier step may change the email.
        shared = keys.setdefault(step.clerk_id, {step.clerk_id})
        if isinstance(step.payload, ClerkUser) and step.payload.email:
            shared.add(step.payload.email.lower())
        number = max(next_round.get(key, 0) for key in shared)
        next_round |= dict.fromkeys(shared, number + 1)
        rounds += [[]] if number == len(rounds) else []
        rounds[number].append(step)
    return rounds


def _apply_round(steps: list[_Step], *, skip_locked: bool) -> None:
    _insert_or_lock(steps, condition=matching.NO_OTHER_ACCOUNT, skip_locked=skip_locked)
    _match_accounts([step for step in steps if _is_new(step)], skip_locked=skip_locked)
    _insert_or_lock(steps, skip_locked=skip_locked)
    decided = [(step, step.user) for step in steps if step.user and not step.is_done]
    for step, user in decided:
        _decide(step, user)
    _find_others(decided)
    update_all([user for step, user in decided if step.must_write], WRITTEN_FIELDS)
    _announce(decided)
    for step, user in decided:
        matching.open_conflicts(user, step.others, step.actor)
    derived_state.repair((user, step.actor) for step, user in decided if not step.is_new)


def _is_new(step: _Step) -> bool:
    return isinstance(step.payload, ClerkUser) and (step.user is None or step.user.is_provisional)


def _match_accounts(steps: list[_Step], *, skip_locked: bool) -> None:
    """Find the other accounts with the emails of new users, and link those that certainly belong to the same person."""
    payloads = [(step, step.payload) for step in steps if isinstance(step.payload, ClerkUser) and step.payload.email]
    emails = [str(payload.email).lower() for _, payload in payloads]
    found = matching.users_with_emails(emails, exclude_clerk_ids=[step.clerk_id for step in steps])
    for (step, payload), email in zip(payloads, emails, strict=True):
        step.others = found.get(email, [])
        if not matching.is_linkable(payload, step.others):
            continue
        if skip_locked:
            step.finish(Outcome.LEFT_OUT)
        elif account := matching.lock_unclaimed(step.others[0]):
            step.user = step.user or _lock([step.clerk_id]).get(step.clerk_id)
            if _is_new(step):
                _link(account, step.user, payload, step.actor)
                step.user = account
                step.finish(Outcome.APPLIED)


def _insert_or_lock(steps: list[_Step], *, condition: str = "", skip_locked: bool) -> None:
    """Insert missing users, and lock users that other transactions have inserted in the meantime.

    Args:
        condition: insert only users that meet this SQL condition. Other users can remain missing.
    """
    missing = {step.clerk_id: step for step in steps if step.user is None and not step.is_done}
    # In one order everywhere, so that concurrent transactions cannot deadlock.
    new = [_new_user(missing[clerk_id].payload) for clerk_id in sorted(missing)]
    for user in insert_new(new, key="clerk_id", condition=condition or "TRUE"):
        step = missing.pop(str(user.clerk_id))
        step.user, step.is_inserted = user, True
    # The insert waited for concurrent transactions to commit, so the rows exist now. User rows are never deleted.
    for clerk_id, user in _lock(list(missing), skip_locked=skip_locked).items():
        missing.pop(clerk_id).user = user
    if missing and not condition and not skip_locked:
        raise User.DoesNotExist(f"Users {', '.join(missing)} disappeared during the insert.")
    for step in () if condition else missing.values():
        step.finish(Outcome.LEFT_OUT)


def _new_user(payload: Payload) -> User:
    values = _tombstone_fields(payload) if isinstance(payload, ClerkUserDeleted) else fields.user_fields(payload)
    return User(password=UNUSABLE_PASSWORD_PREFIX, clerk_id=payload.clerk_id, **values)


def _tombstone_fields(payload: ClerkUserDeleted) -> dict[str, Any]:
    return {"deleted_at": payload.deleted_at, "is_active": False}


def _decide(step: _Step, user: User) -> None:
    """Apply a payload in memory, and record what changed."""
    if isinstance(step.payload, ClerkUserDeleted):
        _delete(step, user, step.payload)
    elif step.is_inserted or user.is_provisional:
        _complete(step, user, step.payload)
    else:
        _update(step, user, step.payload)


def _delete(step: _Step, user: User, payload: ClerkUserDeleted) -> None:
    """Turn the user into a tombstone, so that payloads arriving later are rejected as stale."""
    if user.deleted_at and not step.is_inserted:
        step.outcome = Outcome.STALE
        return
    is_known = not step.is_inserted and not user.is_provisional
    _set(user, _tombstone_fields(payload))
    step.must_write = not step.is_inserted
    log.record(Action.USER_DELETED, actor=step.actor, target=user, changes={"deleted_at": (None, user.deleted_at)})
    if is_known:
        account_emails.notify_deletion(user)


def _complete(step: _Step, user: User, payload: ClerkUser) -> None:
    """Fill in a user of whom nothing was known before."""
    if not step.is_inserted:
        _set(user, fields.user_fields(payload))
        user.roles = effective_roles(user)
    step.is_new, step.must_write = True, not step.is_inserted
    step.changes, step.roles_before = fields.initial_changes(user), []
    step.metadata_changed = bool(user.clerk_metadata)
    log.record(Action.USER_CREATED, actor=step.actor, target=user, changes=step.changes)


def _update(step: _Step, user: User, payload: ClerkUser) -> None:
    if payload.version == user.clerk_version and not user.deleted_at:
        return
    newer = fields.newer_fields(user, payload)
    if user.deleted_at or not (newer or payload.version > user.clerk_version):
        step.outcome = Outcome.STALE
        return
    step.must_write, step.roles_before = True, user.roles
    changes = fields.copy_fields(user, payload, newer)
    step.metadata_changed = "clerk_metadata" in changes
    step.changes = {name: change for name, change in changes.items() if name in SYNCED_FIELDS}
    if step.changes:
        log.record(Action.USER_UPDATED, actor=step.actor, target=user, changes=step.changes)


def _find_others(decided: list[tuple[_Step, User]]) -> None:
    """Find other accounts with the changed emails of existing users, and close conflicts about the old emails."""
    moved = [
        (step, user)
        for step, user in decided
        if not step.is_new and not {"email", "email_verified_at"}.isdisjoint(step.changes)
    ]
    found = matching.refresh_conflicts([user for _, user in moved])
    for step, user in moved:
        step.others = found.get((user.email or "").lower(), [])


def _announce(decided: list[tuple[_Step, User]]) -> None:
    """Send the signals for all changed users, and queue pushes where the metadata in Clerk is out of date."""
    active = [(step, user) for step, user in decided if isinstance(step.payload, ClerkUser)]
    syncs = [
        UserSync(user, step.changes, step.is_new, step.actor, step.roles_before or ())
        for step, user in active
        if step.changes
    ]
    if syncs:
        signals.users_synced.send(User, syncs=syncs)
    with_roles = [(user, step.roles_before, step.actor) for step, user in active if step.roles_before is not None]
    changed = announce_changes(with_roles)
    outbox.queue_pushes_if_outdated(
        [user for step, user in active if step.metadata_changed or (user in changed and not step.is_new)]
    )


def _link(account: User, provisional: User | None, payload: ClerkUser, actor: Actor) -> None:
    """Give an account from before Clerk its Clerk identity. The account keeps its roles, and they are pushed to Clerk."""
    if provisional:
        account.organization_roles = provisional.organization_roles
        _set(provisional, {"clerk_id": None, "is_active": False, "organization_roles": []})
        update(provisional, ["clerk_id", "is_active", "organization_roles"])
    before = {name: getattr(account, name) for name in SYNCED_FIELDS}
    roles_before, facts = account.roles, fields.linked_fields(payload)
    _set(account, facts)
    account.roles_added = sorted(User.SELF_SERVICE_ROLES & set(roles_before) - set(account.roles))
    account.roles, account.is_active = effective_roles(account), not account.banned
    update(account, [*facts, "roles_added", "organization_roles"])
    # Where the two differ, the value from Clerk wins. The audit row records the old value.
    changes = {name: (old, getattr(account, name)) for name, old in before.items() if old != getattr(account, name)}
    log.record(Action.IDENTITY_LINKED, actor=actor, target=account, changes=changes)
    if changes:
        signals.users_synced.send(
            User, syncs=[UserSync(account, changes, created=False, actor=actor, roles_before=roles_before)]
        )
    announce_changes([(account, roles_before, actor)])
    # The account kept roles from before Clerk, so no signal has created their profiles.
    extensions.ensure_derived_state([(account, actor)])
    outbox.queue_push(account)


def _set(user: User, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(user, name, value)
