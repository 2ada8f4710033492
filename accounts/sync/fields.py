"""The fields of a user that come from Clerk, and the rule that decides which payload supplies each of them.

Nothing here reads or writes the database.
"""

import json
from typing import Any

from accounts.clerk.payloads import ClerkUser
from accounts.models import User
from accounts.sync.changes import Changes
from accounts.sync.effective_roles import effective_roles

#: Each changed field is written and audited.
SYNCED_FIELDS = ("name", "username", "email", "email_verified_at", "image_url", "banned", "locked")
#: Changes to these fields are written, but neither audited nor sent with signals.
UNAUDITED_FIELDS = ("clerk_created_at", "clerk_metadata")
#: Changes to `clerk_roles` are audited as changes to `roles`.
ROLE_FIELDS = ("roles", "clerk_roles")
VERSION_FIELDS = ("is_active", "clerk_version", "clerk_updated_at", "clerk_field_versions")
#: The columns that applying payloads writes, always together, so that the statement is the same for all users.
WRITTEN_FIELDS = (*SYNCED_FIELDS, *UNAUDITED_FIELDS, *ROLE_FIELDS, *VERSION_FIELDS, "deleted_at")
#: The attribute of a payload that supplies each field.
PAYLOAD_ATTRIBUTES = {
    **{field: field for field in SYNCED_FIELDS},
    "clerk_created_at": "created_at",
    "clerk_metadata": "metadata",
    "clerk_roles": "roles",
}


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
    if user.is_provisional or "clerk_roles" in found or effective_roles(user) != user.roles:
        found.append("roles")
    return [field for field in found if field != "clerk_roles"]


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


def linked_fields(payload: ClerkUser) -> dict[str, Any]:
    """Return a linked account's field values. It keeps its values for fields that are missing from the payload."""
    values = user_fields(payload) | {"clerk_id": payload.clerk_id}
    return {field: value for field, value in values.items() if field not in _missing_fields(payload)}


def initial_changes(user: User) -> Changes:
    return {field: (None, getattr(user, field)) for field in SYNCED_FIELDS if getattr(user, field)}


def newer_fields(user: User, payload: ClerkUser) -> list[str]:
    """Return the fields that `payload` contains and whose stored value is from an older payload."""
    missing = _missing_fields(payload)
    return [
        field
        for field in PAYLOAD_ATTRIBUTES
        if field not in missing and payload.version > user.clerk_field_versions.get(field, user.clerk_version)
    ]


def copy_fields(user: User, payload: ClerkUser, fields: list[str]) -> dict[str, tuple[Any, Any]]:
    """Copy the named fields of a payload, derive the roles and `is_active` from them, and return what changed."""
    changes = {}
    for field in fields:
        old, new = getattr(user, field), getattr(payload, PAYLOAD_ATTRIBUTES[field])
        if _differ(old, new):
            setattr(user, field, new)
            changes[field] = (old, new)
    user.roles, user.is_active = effective_roles(user), not user.banned
    _raise_versions(user, payload, fields)
    return changes


def _raise_versions(user: User, payload: ClerkUser, fields: list[str]) -> None:
    versions = {field: user.clerk_field_versions.get(field, user.clerk_version) for field in PAYLOAD_ATTRIBUTES}
    versions |= dict.fromkeys(fields, payload.version)
    if payload.version > user.clerk_version:
        user.clerk_version, user.clerk_updated_at = payload.version, payload.updated_at
    # Usually empty, because payloads normally contain all fields.
    user.clerk_field_versions = {field: version for field, version in versions.items() if version != user.clerk_version}


def _missing_fields(payload: ClerkUser) -> list[str]:
    return [field for field, attribute in PAYLOAD_ATTRIBUTES.items() if attribute in payload.missing]


def _differ(old: Any, new: Any) -> bool:
    """Return whether two values differ. Dictionaries are compared as JSON, because 1 == True in Python."""
    return old != new or (
        bool(new) and isinstance(new, dict) and json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True)
    )
