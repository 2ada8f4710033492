"""Read typed values from Clerk's objects."""

import hashlib
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

from core.text import clean_line

#: Smaller values are seconds, and larger values are milliseconds (10¹¹ ms is in 1973). Clerk's specification shows
#: seconds for some times, but its deliveries contain milliseconds.
SECONDS_BELOW = 100_000_000_000
MAX_EMAIL_LENGTH = 254


class ClerkPayloadError(ValueError):
    """A payload does not have the documented structure for its type.

    Attributes:
        reason: an error code, such as `not_json` or `user_without_id`.
        names_only: error messages contain only field names, no values. See core.errors.
    """

    names_only = True

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class KeyMissingError(Exception):
    """The value is unknown: its key is missing, or is null although Clerk's schema does not allow null."""


#: JSON type names by Python type.
_TYPE_NAMES: dict[type, str] = {str: "a string", bool: "true or false", list: "a list", dict: "an object"}


def read[T: str | bool | list[Any] | dict[str, Any]](
    data: dict[str, Any], key: str, kind: type[T], *, path: str = "data"
) -> T:
    """Return the value of `key`.

    Raises:
        KeyMissingError: the key is absent or null.
        ClerkPayloadError: the value has another type.
    """
    value = data.get(key)
    if value is None:
        raise KeyMissingError(key)
    if not isinstance(value, kind):
        raise ClerkPayloadError(f"{path}.{key} is not {_TYPE_NAMES[kind]}.", reason="wrong_type")
    return value


def read_text(data: dict[str, Any], key: str, *, path: str = "data") -> str:
    """Return the value of a nullable key, or "" for null. Raises the same exceptions as `read`."""
    return "" if key in data and data[key] is None else read(data, key, str, path=path)


def parse_time(value: object, field: str) -> datetime:
    """Convert a Clerk timestamp, in milliseconds since the epoch, to an aware datetime."""
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


def read_time(data: dict[str, Any], key: str, *, path: str = "data") -> datetime:
    """Return the time in `key`. Raises the same exceptions as `read`."""
    if data.get(key) is None:
        raise KeyMissingError(key)
    return parse_time(data[key], f"{path}.{key}")


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def version_of(data: dict[str, Any], *, updated_at: datetime, rank: int, occurred_at: datetime) -> str:
    """Return a string that sorts the payloads of one object by age."""
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]
    return f"{to_ms(updated_at):015d}-{rank:d}-{to_ms(occurred_at):015d}-{digest}"


def parse_user_id(value: object) -> str:
    """Validate a user id, so that it is safe in a Backend API URL.

    Raises:
        ClerkPayloadError: `value` is not `user_` followed by 1 to 59 ASCII letters and digits.
    """
    if not isinstance(value, str) or not value.startswith("user_") or not value.isascii():
        raise ClerkPayloadError("The user has no id that starts with user_.", reason="user_without_id")
    if len(value) > 64 or not value[5:].isalnum():
        raise ClerkPayloadError("The user id must be user_ and up to 59 letters and digits.", reason="user_without_id")
    return value


def normalize_email(value: str) -> str | None:
    """Return the email in lower case, or None if `value` is not an email.

    Users type either case, and this product compares emails.
    """
    if len(value) > 3 * MAX_EMAIL_LENGTH:  # normalization is slow for long text
        return None
    email = unicodedata.normalize("NFC", value.strip(" "))
    # Removing invisible characters could produce another person's email.
    if email != clean_line(email) or _becomes_ascii(value):
        return None
    email = email.lower()
    local, at, domain = email.rpartition("@")
    return email if at and local and domain and len(email) <= MAX_EMAIL_LENGTH and " " not in email else None


def _becomes_ascii(text: str) -> bool:
    """Return whether a letter is replaced with an ASCII letter, as the Kelvin sign is with k."""
    if text.isascii():
        return False
    others = (letter for letter in text if not letter.isascii())
    return any(unicodedata.normalize("NFC", letter).lower()[0].isascii() for letter in others)
