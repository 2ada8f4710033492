"""The facts of profiles that Clerk keeps a copy of, under Clerk's names. docs/ownership.md"""

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from profiles.models import BuilderProfile, ClientProfile

#: Each field that goes to Clerk, and the key of the public metadata that it goes to.
BUILDER_FIELDS = {
    "validation_tier": "validationTier",
    "available_for_hire": "availableForHire",
    "hourly_rate": "hourlyRate",
}
CLIENT_FIELDS = {"company_name": "companyName"}
PUSHED_FIELDS = frozenset(BUILDER_FIELDS) | frozenset(CLIENT_FIELDS)
#: Those that end or begin all facts of a profile; the role's own going and coming is noticed by accounts.
PRESENCE_FIELDS = frozenset({"deleted_at"})


def for_users(user_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the facts of each of these people who has a profile; None where there is nothing to tell."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for model, facts in ((BuilderProfile, BUILDER_FIELDS), (ClientProfile, CLIENT_FIELDS)):
        held = model._default_manager.filter(user_id__in=user_ids, archived_at=None, deleted_at=None)
        for user_id, *values in held.values_list("user_id", *facts):
            found[user_id] |= dict(zip(facts.values(), map(_as_json, values), strict=True))
    return found


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return None if value == "" else value
