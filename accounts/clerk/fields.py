"""Single fields of Clerk's objects: each function takes what came and returns what we keep, or says why it cannot."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from accounts.models import User
from core.text import clean_line

log = logging.getLogger(__name__)

#: Keys of the public metadata that are ours, besides the roles. docs/ownership.md
METADATA_KEYS = ("validationTier", "availableForHire", "hourlyRate", "companyName")
#: A time before 1973 in ms is one of our days in s: Clerk's specification shows seconds, its deliveries milliseconds.
SECONDS_BELOW = 100_000_000_000


class ClerkPayloadError(ValueError):
    """A payload that does not have the shape its type promises.

    Attributes:
        reason: a short code, such as `not_json` or `user_without_id`.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_time(value: object, field: str) -> datetime:
    """Return a Clerk time, which is in milliseconds, as an aware datetime."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClerkPayloadError(f"{field} is not a number of milliseconds.", reason="bad_time")
    try:
        moment = datetime.fromtimestamp(value if value < SECONDS_BELOW else value / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        moment = None
    if moment is None or moment.year < 1970:
        raise ClerkPayloadError(f"{field} is out of range.", reason="bad_time")
    return moment


def parse_time_or_none(value: object) -> datetime | None:
    try:
        return read_time(value, "")
    except ClerkPayloadError:
        return None


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def parse_user_id(value: object) -> str:
    """Return the id of a user, which is safe in an address of the Backend API.

    Raises:
        ClerkPayloadError: it is not `user_` with up to 59 ASCII letters and digits behind it.
    """
    if not isinstance(value, str) or not value.startswith("user_") or not value.isascii():
        raise ClerkPayloadError("The user has no id of the form user_….", reason="user_without_id")
    if len(value) > 64 or not value[5:].isalnum():
        raise ClerkPayloadError("The id of the user has the wrong form.", reason="user_without_id")
    return value


def primary_email(data: dict[str, Any], updated_at: datetime) -> tuple[str | None, datetime | None]:
    """Return the primary address and when it was verified.

    The primary is the one `primary_email_address_id` names; the order of the list means nothing. Clerk sends no time of
    verification, but verifying is what last touches an address, so its own `updated_at` stands for it.
    """
    addresses = data.get("email_addresses")
    primary_id = data.get("primary_email_address_id")
    for entry in addresses if isinstance(addresses, list) and primary_id else ():
        if isinstance(entry, dict) and entry.get("id") == primary_id:
            email = _email(entry.get("email_address"))
            verification = entry.get("verification")
            verified = isinstance(verification, dict) and verification.get("status") == "verified"
            return email, _verified_at(entry, updated_at) if email and verified else None
    return None, None


def _verified_at(entry: dict[str, Any], updated_at: datetime) -> datetime:
    return parse_time_or_none(entry.get("updated_at")) or updated_at


def _email(value: object) -> str | None:
    """Return an address in lower case, because people type it either way and it is compared here."""
    email = clean_line(value, limit=255).lower()
    local, at, domain = email.rpartition("@")
    return email if at and local and domain and len(email) <= 254 and " " not in email else None


def image_url(value: object) -> str:
    url = value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
    return url if url.startswith("https://") and len(url) <= 2000 and " " not in url else ""


def read_roles(metadata: object) -> tuple[list[User.Role] | None, list[Any]]:
    """Return the known roles in the fixed order, and what else is in the list.

    Only `public_metadata` counts: users can write `unsafe_metadata`.
    """
    names = metadata.get("roles") if isinstance(metadata, dict) else None
    if not isinstance(names, list):
        return None, []
    wanted = {_folded(name) for name in names}
    known = [role for role in User.Role if role in wanted]
    if len(known) < len(names):
        log.warning("Unknown or repeated roles in public_metadata.roles were left out; kept: %s", known)
    return known, [name for name in names if _folded(name) not in known]


def _folded(name: object) -> str:
    return name.strip().upper() if isinstance(name, str) else ""


def parse_metadata(metadata: object) -> dict[str, Any]:
    """Return the facts Clerk holds; in the place of what PostgreSQL cannot store stands `{}`, which is no value of ours."""
    found = (
        {key: metadata[key] for key in METADATA_KEYS if metadata.get(key) is not None}
        if isinstance(metadata, dict)
        else {}
    )
    return {key: value if _is_storable(value) else {} for key, value in found.items()}


def _is_storable(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    try:
        return len(text.encode()) <= 1000 and "\\u0000" not in text
    except UnicodeEncodeError:  # half a character
        return False
