"""Profile fields pushed to Clerk's public metadata. See docs/ownership.md."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from accounts.models import User
from core.db.statements import hot_cursor
from profiles import user_profiles
from profiles.models import BuilderProfile, ClientProfile, Profile

#: Profile fields and their keys in the public metadata.
BUILDER_FIELDS = {
    "validation_tier": "validationTier",
    "available_for_hire": "availableForHire",
    "hourly_rate": "hourlyRate",
    "currency": "hourlyRateCurrency",
}
CLIENT_FIELDS = {"company_name": "companyName"}
#: SQL for pushed fields that depend on another column. See `_value`.
_EXPRESSIONS = {
    "available_for_hire": "CASE WHEN builder.availability_confirmed_at IS NOT NULL OR NOT builder.available_for_hire "
    "THEN builder.available_for_hire END"
}
_BUILDER_COLUMNS = ", ".join(_EXPRESSIONS.get(field, f"builder.{field}") for field in BUILDER_FIELDS)
KEYS: dict[type[Profile], dict[str, str]] = {BuilderProfile: BUILDER_FIELDS, ClientProfile: CLIENT_FIELDS}
#: Raw SQL, because this runs for every role change and for each page of users in a reconciliation. Contains only names
#: from this module.
_SELECT = f"""
SELECT given.id, builder.id IS NOT NULL, client.id IS NOT NULL,
    {_BUILDER_COLUMNS}, {", ".join(f"client.{field}" for field in CLIENT_FIELDS)}
FROM unnest(%s::bigint[]) AS given (id)
LEFT JOIN profiles_builderprofile builder
    ON builder.user_id = given.id AND builder.archived_at IS NULL AND builder.deleted_at IS NULL
LEFT JOIN profiles_clientprofile client
    ON client.user_id = given.id AND client.archived_at IS NULL AND client.deleted_at IS NULL
"""  # noqa: S608
PUSHED_FIELDS = frozenset(BUILDER_FIELDS) | frozenset(CLIENT_FIELDS) | {"availability_confirmed_at"}
#: Changing one of these fields adds or removes all of a profile's pushed fields. The accounts app handles role changes.
PRESENCE_FIELDS = frozenset({"deleted_at"})


def for_users(users: Collection[User]) -> dict[int, dict[str, Any]]:
    """Return the metadata to push, by user id. Empty values are None. Users without a profile are omitted.

    Profiles that this transaction has already locked are not loaded again.
    """
    metadata = {user.pk: _metadata_of_locked(user) for user in users if user_profiles.are_known(user)}
    metadata |= _load([user.pk for user in users if user.pk not in metadata])
    for pushed in metadata.values():
        if "hourlyRate" in pushed and pushed["hourlyRate"] is None:
            pushed["hourlyRateCurrency"] = None  # A currency is meaningless without a rate.
    return {pk: pushed for pk, pushed in metadata.items() if pushed}


def _metadata_of_locked(user: User) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for model, keys in KEYS.items():
        profile = user_profiles.get(user, model)
        if profile and profile.archived_at is None and profile.deleted_at is None:
            metadata |= {key: _as_json(_value(profile, field)) for field, key in keys.items()}
    return metadata


def _value(profile: Any, field: str) -> Any:
    """Return the value to push. As on the page, builders who have not confirmed their availability state none."""
    value = getattr(profile, field)
    is_unconfirmed = field == "available_for_hire" and profile.availability_confirmed_at is None
    return None if is_unconfirmed and value else value


def _load(user_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    if not user_ids:
        return {}
    with hot_cursor() as cursor:
        cursor.execute(_SELECT, [list(user_ids)])
        found = cursor.fetchall()
    metadata = {}
    for user_id, is_builder, is_client, *values in found:
        keys = [*BUILDER_FIELDS.values(), *CLIENT_FIELDS.values()]
        wanted = [is_builder] * len(BUILDER_FIELDS) + [is_client] * len(CLIENT_FIELDS)
        metadata[user_id] = {key: _as_json(v) for key, v, has in zip(keys, values, wanted, strict=True) if has}
    return metadata


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return None if value == "" else value
