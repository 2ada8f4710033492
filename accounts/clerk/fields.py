"""Parse single fields of Clerk's objects into the values that are stored here."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from accounts.models import User
from core.text import clean_line, has_invisible

log = logging.getLogger(__name__)

#: Keys of `public_metadata` that this product writes, in addition to `roles`. docs/ownership.md
METADATA_KEYS = ("validationTier", "availableForHire", "hourlyRate", "companyName")
#: Smaller values are seconds, larger ones milliseconds (10¹¹ ms is in 1973). Clerk's specification shows seconds for some
#: times, while its deliveries contain milliseconds.
SECONDS_BELOW = 100_000_000_000


class ClerkPayloadError(ValueError):
    """A payload that does not have the documented shape of its type.

    Attributes:
        reason: an error code, such as `not_json` or `user_without_id`.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def parse_time(value: object, field: str) -> datetime:
    """Convert one of Clerk's times, in milliseconds since the epoch, to an aware datetime."""
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
        return parse_time(value, "")
    except ClerkPayloadError:
        return None


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def parse_user_id(value: object) -> str:
    """Validate a user id, so that it is safe in a URL of the Backend API.

    Raises:
        ClerkPayloadError: `value` is not `user_` followed by 1 to 59 ASCII letters and digits.
    """
    if not isinstance(value, str) or not value.startswith("user_") or not value.isascii():
        raise ClerkPayloadError("The user has no id that starts with user_.", reason="user_without_id")
    if len(value) > 64 or not value[5:].isalnum():
        raise ClerkPayloadError("The user id must be user_ and up to 59 letters and digits.", reason="user_without_id")
    return value


def parse_primary_email(data: dict[str, Any], updated_at: datetime) -> tuple[str | None, datetime | None]:
    """Return the primary email and the time at which it was verified.

    The primary email is the one whose id is `primary_email_address_id`; the order of the list has no meaning. Clerk sends
    no time of verification. The `updated_at` of the email entry is used instead, because verification is normally its
    last change.
    """
    entries = data.get("email_addresses")
    primary_id = data.get("primary_email_address_id")
    for entry in entries if isinstance(entries, list) and primary_id else ():
        if isinstance(entry, dict) and entry.get("id") == primary_id:
            email = _email(entry.get("email_address"))
            verification = entry.get("verification")
            verified = isinstance(verification, dict) and verification.get("status") == "verified"
            return email, _verified_at(entry, updated_at) if email and verified else None
    return None, None


def _verified_at(entry: dict[str, Any], updated_at: datetime) -> datetime:
    return parse_time_or_none(entry.get("updated_at")) or updated_at


def _email(value: object) -> str | None:
    """Return the email in lower case, because users type either case and emails are compared here."""
    # Removing invisible characters could turn this email into that of another user, so they make it invalid.
    if isinstance(value, str) and has_invisible(value):
        return None
    email = clean_line(value, limit=255).lower()
    local, at, domain = email.rpartition("@")
    return email if at and local and domain and len(email) <= 254 and " " not in email else None


def parse_image_url(value: object) -> str:
    url = value if isinstance(value, str) and value.isascii() and value.isprintable() else ""
    return url if url.startswith("https://") and len(url) <= 2000 and " " not in url else ""


def parse_roles(metadata: object) -> tuple[list[User.Role] | None, list[Any]]:
    """Return the known roles in the order of `User.Role`, and the other values of the list.

    Roles are None if the metadata has no list of roles. Pass `public_metadata` only: users can write `unsafe_metadata`.
    """
    names = metadata.get("roles") if isinstance(metadata, dict) else None
    if not isinstance(names, list):
        return None, []
    wanted = {_normalize(name) for name in names}
    known = [role for role in User.Role if role in wanted]
    if len(known) < len(names):
        log.warning("Ignored unknown or repeated values in public_metadata.roles; kept %s", known)
    return known, [name for name in names if _normalize(name) not in known]


def _normalize(name: object) -> str:
    return name.strip().upper() if isinstance(name, str) else ""


def parse_metadata(metadata: object) -> dict[str, Any]:
    """Return the values of METADATA_KEYS. A value that PostgreSQL cannot store becomes `{}`, which is never a valid value."""
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
    except UnicodeEncodeError:  # a lone surrogate
        return False
