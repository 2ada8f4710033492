"""Profile fields pushed to Clerk's public metadata. See docs/ownership.md."""

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from profiles.models import BuilderProfile, ClientProfile

#: Profile fields and their keys in the public metadata.
BUILDER_FIELDS = {
    "validation_tier": "validationTier",
    "available_for_hire": "availableForHire",
    "hourly_rate": "hourlyRate",
    "currency": "hourlyRateCurrency",
}
CLIENT_FIELDS = {"company_name": "companyName"}
PUSHED_FIELDS = frozenset(BUILDER_FIELDS) | frozenset(CLIENT_FIELDS)
#: Changing one of these fields adds or removes all of a profile's pushed fields. The accounts app handles role changes.
PRESENCE_FIELDS = frozenset({"deleted_at"})


def for_users(user_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the metadata to push, by user id. Empty values are None. Users without a profile are omitted."""
    metadata: dict[int, dict[str, Any]] = defaultdict(dict)
    for model, keys in ((BuilderProfile, BUILDER_FIELDS), (ClientProfile, CLIENT_FIELDS)):
        profiles = model._default_manager.filter(user_id__in=user_ids, archived_at=None, deleted_at=None)
        for user_id, *values in profiles.values_list("user_id", *keys):
            metadata[user_id] |= dict(zip(keys.values(), map(_as_json, values), strict=True))
    for pushed in metadata.values():
        if "hourlyRate" in pushed and pushed["hourlyRate"] is None:
            pushed["hourlyRateCurrency"] = None  # A currency is meaningless without a rate.
    return metadata


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return None if value == "" else value
