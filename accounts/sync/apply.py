"""Apply user payloads from Clerk, in any order and any number of times.

Webhooks, retries, replays, fetches and reconciliation all call `apply_user`. Each field comes from the payload with the
highest version that contains it, and a deletion is final. The same set of payloads therefore produces the same state in
every order, even if some payloads lack keys.
"""

import json
from enum import StrEnum
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX

from accounts import derived_state, roles, signals
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted, Rank
from accounts.extensions import extensions
from accounts.models import User
from accounts.sync import matching, outbox
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.statements import insert_if_new, update

Action = AuditLog.Action

#: Each changed field is written and audited.
SYNCED_FIELDS = ("name", "username", "email", "email_verified_at", "image_url", "banned")
#: Changes to these fields are written, but neither audited nor sent with signals.
UNAUDITED_FIELDS = ("clerk_created_at", "clerk_metadata")
#: Changes to `clerk_roles` are audited as changes to `roles`.
ROLE_FIELDS = ("roles", "clerk_roles")
VERSION_FIELDS = ("is_active", "clerk_version", "clerk_updated_at", "clerk_field_versions")
#: The attribute of a payload that supplies each field.
PAYLOAD_ATTRIBUTES = {
    **{field: field for field in SYNCED_FIELDS},
    "clerk_created_at": "created_at",
    "clerk_metadata": "metadata",
    "clerk_roles": "roles",
}


class Outcome(StrEnum):
    APPLIED = "applied"
    STALE = "stale"


def apply_user(payload: ClerkUser | ClerkUserDeleted, *, actor: Actor) -> Outcome:
    """Update the user from `payload`. Must run in a transaction; the user's row stays locked until it ends.

    Args:
        payload: the user or the deletion; a deletion must have a Clerk ID.
        actor: where the payload came from, for the audit log.

    Returns:
        STALE if a newer payload or a deletion was applied before, and no field was written.
    """
    with log.batch():
        if isinstance(payload, ClerkUserDeleted):
            return _delete(payload, actor)
        user = None if payload.rank is Rank.CREATED else _lock_user(payload.clerk_id)
        if user is None or user.is_provisional:
            return _create(user, payload, actor)
        return _update(user, payload, actor)


def changed_fields(payload: ClerkUser, user: User) -> list[str]:
    """Return the names of the fields in which a fetched payload differs from `user`.

    The contents are compared, not the versions: every fetch has a higher version than the webhook before it, even if
    the data is the same.
    """
    if user.deleted_at or (user.clerk_updated_at and payload.updated_at < user.clerk_updated_at):
        return []
    found = [
        field
        for field, attribute in PAYLOAD_ATTRIBUTES.items()
        if attribute not in payload.missing and _differ(getattr(user, field), getattr(payload, attribute))
    ]
    if user.is_active == user.banned:
        found.append("is_active")
    if user.is_provisional or "clerk_roles" in found or roles.effective_roles(user) != user.roles:
        found.append("roles")
    return [field for field in found if field != "clerk_roles"]


def _differ(old: Any, new: Any) -> bool:
    """Return whether two values differ. Dictionaries are compared as JSON, because 1 == True in Python."""
    return old != new or (isinstance(new, dict) and json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True))


def _lock_user(clerk_id: str | None) -> User | None:
    # Not first(), which would sort. The ID is unique, so there is at most one row.
    return next(iter(derived_state.locked().filter(clerk_id=clerk_id)), None)


def _get_or_insert_locked(user: User, *, likely_new: bool) -> tuple[User, bool]:
    """Return the locked row with the Clerk ID of `user`, and whether this transaction created it.

    Args:
        likely_new: try the insert first, which saves a query if it succeeds.
    """
    known = None if likely_new else _lock_user(user.clerk_id)
    if known is None and insert_if_new(user):
        return user, True
    # The insert waited for the concurrent transaction to commit, so the row exists now. User rows are never deleted.
    known = known or _lock_user(user.clerk_id)
    if known is None:
        raise User.DoesNotExist(f"User {user.clerk_id} disappeared during the insert.")
    return known, False


def _create(provisional: User | None, payload: ClerkUser, actor: Actor) -> Outcome:
    """Create the user, complete a provisional one, or link an account from before Clerk."""
    others = matching.users_with_email(payload.email, exclude_clerk_id=payload.clerk_id)
    if others and (account := matching.find_linkable(payload, others)):
        known = provisional or _lock_user(payload.clerk_id)
        if known is None or known.is_provisional:
            return _link(account, known, payload, actor)
    fresh = User(password=UNUSABLE_PASSWORD_PREFIX, clerk_id=payload.clerk_id, **user_fields(payload))
    user, created = (provisional, False) if provisional else _get_or_insert_locked(fresh, likely_new=True)
    if created:
        _announce_new(user, actor)
    elif user.is_provisional:
        _complete(user, payload, actor)
    else:  # another transaction created it first
        return _update(user, payload, actor)
    matching.open_conflicts(user, others, actor)
    return Outcome.APPLIED


def _link(account: User, provisional: User | None, payload: ClerkUser, actor: Actor) -> Outcome:
    """Give an account from before Clerk its Clerk identity. The account keeps its roles, and they are pushed to Clerk."""
    if provisional:
        provisional.clerk_id, provisional.is_active = None, False
        update(provisional, ["clerk_id", "is_active"])
    before = {field: getattr(account, field) for field in SYNCED_FIELDS}
    roles_before, facts = account.roles, _linked_fields(payload)
    for field, value in facts.items():
        setattr(account, field, value)
    account.roles_added = sorted(roles.SELF_SERVICE_ROLES & set(roles_before) - set(account.roles))
    account.roles, account.is_active = roles.effective_roles(account), not account.banned
    update(account, [*facts, "roles_added"])
    # Where the two differ, the value from Clerk wins. The audit row records the old value.
    changes = {field: (old, getattr(account, field)) for field, old in before.items() if old != getattr(account, field)}
    log.record(Action.IDENTITY_LINKED, actor=actor, target=account, changes=changes)
    _announce(account, changes, roles_before=roles_before, actor=actor, created=False)
    # The account kept roles from before Clerk, so no signal has created their profiles.
    extensions.ensure_derived_state(account, actor)
    outbox.queue_push(account)
    return Outcome.APPLIED


def user_fields(payload: ClerkUser) -> dict[str, Any]:
    """Return all field values of a new user. Fields that the payload lacks are empty."""
    values = {field: getattr(payload, attribute) for field, attribute in PAYLOAD_ATTRIBUTES.items()}
    return {
        **values,
        "roles": payload.roles if payload.roles is not None else [User.Role.CLIENT],
        "is_active": not payload.banned,
        "clerk_version": payload.version,
        "clerk_updated_at": payload.updated_at,
        "clerk_field_versions": dict.fromkeys(_missing_fields(payload), ""),
    }


def _linked_fields(payload: ClerkUser) -> dict[str, Any]:
    """Return the field values of a linked account, which keeps its own values where the payload lacks them."""
    values = user_fields(payload) | {"clerk_id": payload.clerk_id}
    return {field: value for field, value in values.items() if field not in _missing_fields(payload)}


def _missing_fields(payload: ClerkUser) -> list[str]:
    return [field for field, attribute in PAYLOAD_ATTRIBUTES.items() if attribute in payload.missing]


def _complete(user: User, payload: ClerkUser, actor: Actor) -> None:
    for field, value in user_fields(payload).items():
        setattr(user, field, value)
    update(user, list(user_fields(payload)))
    _announce_new(user, actor)


def _announce_new(user: User, actor: Actor) -> None:
    changes = {field: (None, getattr(user, field)) for field in SYNCED_FIELDS if getattr(user, field)}
    log.record(Action.USER_CREATED, actor=actor, target=user, changes=changes)
    _announce(user, changes, roles_before=[], actor=actor, created=True)
    if user.clerk_metadata:
        outbox.queue_push_if_outdated(user)


def _update(user: User, payload: ClerkUser, actor: Actor) -> Outcome:
    outcome = _apply_newer(user, payload, actor)
    derived_state.repair(user, actor)
    return outcome


def _apply_newer(user: User, payload: ClerkUser, actor: Actor) -> Outcome:
    if payload.version == user.clerk_version and not user.deleted_at:
        return Outcome.APPLIED
    fields = _newer_fields(user, payload)
    if user.deleted_at or not (fields or payload.version > user.clerk_version):
        return Outcome.STALE
    roles_before = user.roles
    changes, unaudited = _copy_fields(user, payload, fields)
    versions = _raise_versions(user, payload, fields)
    update(user, [*changes, *unaudited, *versions])
    if changes:
        log.record(Action.USER_UPDATED, actor=actor, target=user, changes=changes)
    if "email" in changes or "email_verified_at" in changes:
        matching.refresh_conflicts(user, actor)
    roles_changed = _announce(user, changes, roles_before=roles_before, actor=actor, created=False)
    if roles_changed or "clerk_metadata" in unaudited:
        outbox.queue_push_if_outdated(user)
    return Outcome.APPLIED


def _newer_fields(user: User, payload: ClerkUser) -> list[str]:
    """Return the fields that `payload` contains and whose stored value is from an older payload."""
    missing = _missing_fields(payload)
    return [
        field
        for field in PAYLOAD_ATTRIBUTES
        if field not in missing and payload.version > user.clerk_field_versions.get(field, user.clerk_version)
    ]


def _copy_fields(user: User, payload: ClerkUser, fields: list[str]) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
    """Copy the named fields of a payload, and derive the roles and `is_active` from them.

    Returns:
        The changes of synced fields, and the names of other changed fields.
    """
    roles_before, changes, unaudited = user.roles, {}, []
    for field in fields:
        old, new = getattr(user, field), getattr(payload, PAYLOAD_ATTRIBUTES[field])
        if not _differ(old, new):
            continue
        setattr(user, field, new)
        if field in SYNCED_FIELDS:
            changes[field] = (old, new)
        else:
            unaudited.append(field)
    user.roles, user.is_active = roles.effective_roles(user), not user.banned
    return changes, [*unaudited, *(["roles"] if user.roles != roles_before else [])]


def _raise_versions(user: User, payload: ClerkUser, fields: list[str]) -> list[str]:
    """Store the version of the payload for the named fields, and return the names of the written columns."""
    versions = {field: user.clerk_field_versions.get(field, user.clerk_version) for field in PAYLOAD_ATTRIBUTES}
    versions |= dict.fromkeys(fields, payload.version)
    written = ["is_active"]
    if payload.version > user.clerk_version:
        user.clerk_version, user.clerk_updated_at = payload.version, payload.updated_at
        written += ["clerk_version", "clerk_updated_at"]
    # Usually empty, because payloads normally contain all fields.
    older = {field: version for field, version in versions.items() if version != user.clerk_version}
    if older != user.clerk_field_versions:
        user.clerk_field_versions = older
        written.append("clerk_field_versions")
    return written


def _delete(payload: ClerkUserDeleted, actor: Actor) -> Outcome:
    """Turn the user's row into a tombstone, so that payloads arriving later are rejected as stale."""
    values = {"deleted_at": payload.deleted_at, "is_active": False}
    fresh = User(clerk_id=payload.clerk_id, password=UNUSABLE_PASSWORD_PREFIX, **values)
    user, created = _get_or_insert_locked(fresh, likely_new=False)
    if user.deleted_at and not created:
        return Outcome.STALE
    if not created:
        user.deleted_at, user.is_active = payload.deleted_at, False
        update(user, list(values))
    log.record(Action.USER_DELETED, actor=actor, target=user, changes={"deleted_at": (None, user.deleted_at)})
    return Outcome.APPLIED


def _announce(
    user: User, changes: dict[str, tuple[Any, Any]], *, roles_before: list[str], actor: Actor, created: bool
) -> bool:
    if changes:
        signals.user_synced.send(User, user=user, changes=changes, created=created, actor=actor)
    return roles.announce_changes(user, roles_before, actor=actor)
