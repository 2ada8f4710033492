"""Parse the fields of Clerk's user object.

A field can depend on several keys. If one of them is missing, the parser raises `KeyMissingError`, and the stored value
stays as it is. `check_types` rejects values of the wrong type before any parser runs.
"""

import json
import logging
from contextlib import suppress
from datetime import datetime
from typing import Any

from accounts.clerk.fields import ClerkPayloadError, KeyMissingError, parse_time, read, read_text, read_time
from accounts.models import User
from core.text import clean_line, has_invisible

log = logging.getLogger(__name__)

#: Keys of `public_metadata` that this product writes, in addition to `roles`. docs/ownership.md
METADATA_KEYS = ("validationTier", "availableForHire", "hourlyRate", "hourlyRateCurrency", "companyName")
#: The keys that are read, with their types in Clerk's OpenAPI file.
_USER_TYPES: dict[str, type] = {
    "first_name": str,
    "last_name": str,
    "username": str,
    "email_addresses": list,
    "primary_email_address_id": str,
    "has_image": bool,
    "image_url": str,
    "banned": bool,
    "public_metadata": dict,
}
_EMAIL_TYPES: dict[str, type] = {"id": str, "email_address": str, "verification": dict}
_EMAILS = "data.email_addresses[]"


def check_types(data: dict[str, Any]) -> None:
    """Raise `ClerkPayloadError` if any value that is read has the wrong type. Null and missing keys are allowed."""
    _check(data, _USER_TYPES, "created_at", path="data")
    for entry in data.get("email_addresses") or ():
        if not isinstance(entry, dict):
            raise ClerkPayloadError(f"{_EMAILS} is not an object.", reason="wrong_type")
        _check(entry, _EMAIL_TYPES, "updated_at", path=_EMAILS)
        _check(entry.get("verification") or {}, {"status": str}, path=f"{_EMAILS}.verification")


def _check(data: dict[str, Any], types: dict[str, type], *times: str, path: str) -> None:
    for key, kind in types.items():
        with suppress(KeyMissingError):
            read(data, key, kind, path=path)
    for key in times:
        with suppress(KeyMissingError):
            read_time(data, key, path=path)


def parse_name(data: dict[str, Any]) -> str:
    parts = [clean_line(read_text(data, key), limit=100) for key in ("first_name", "last_name")]
    return clean_line(" ".join(parts), limit=200)


def parse_username(data: dict[str, Any]) -> str:
    return clean_line(read_text(data, "username"), limit=150)


def parse_email(data: dict[str, Any]) -> str | None:
    return _primary_email(data)[0]


def parse_email_verified_at(data: dict[str, Any]) -> datetime | None:
    """Return the time at which the primary email was verified.

    Clerk sends no time of verification. The `updated_at` of the email entry is used instead, because verification is
    normally its last change, or that of the user if the entry has none.
    """
    return _primary_email(data)[1]


def _primary_email(data: dict[str, Any]) -> tuple[str | None, datetime | None]:
    entry = _primary_entry(data)
    if entry is None:
        return None, None
    email = _email(read(entry, "email_address", str, path=_EMAILS))
    is_verified = _is_verified(entry)
    try:
        changed_at = read_time(entry, "updated_at", path=_EMAILS)
    except KeyMissingError:
        changed_at = parse_time(data.get("updated_at"), "data.updated_at")
    return email, changed_at if email and is_verified else None


def _primary_entry(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the entry whose id is `primary_email_address_id`. The order of the list has no meaning."""
    entries = read(data, "email_addresses", list)
    primary_id = read_text(data, "primary_email_address_id")
    return next((e for e in entries if primary_id and read(e, "id", str, path=_EMAILS) == primary_id), None)


def _is_verified(entry: dict[str, Any]) -> bool:
    if "verification" in entry and entry["verification"] is None:
        return False
    verification = read(entry, "verification", dict, path=_EMAILS)
    return read_text(verification, "status", path=f"{_EMAILS}.verification") == "verified"


def _email(value: str) -> str | None:
    """Return the email in lower case, because users type either case and emails are compared here."""
    # Removing invisible characters could turn this email into that of another user, so they make it invalid. So do letters
    # whose lower case is ASCII, such as the Kelvin sign, which becomes k.
    if has_invisible(value) or any(letter.lower()[0].isascii() for letter in value if not letter.isascii()):
        return None
    email = clean_line(value, limit=255).lower()
    local, at, domain = email.rpartition("@")
    return email if at and local and domain and len(email) <= 254 and " " not in email else None


def parse_image_url(data: dict[str, Any]) -> str:
    """Return the URL of an uploaded image.

    If the user uploaded no image, Clerk sends a generated one. Our monogram looks better.
    """
    has_image, url = read(data, "has_image", bool), read(data, "image_url", str)
    is_valid = url.isascii() and url.isprintable() and url.startswith("https://") and " " not in url
    return url if has_image and is_valid and len(url) <= 2000 else ""


def parse_banned(data: dict[str, Any]) -> bool:
    """Return whether an administrator banned the user. `locked` is a lockout after wrong passwords, which Clerk enforces."""
    return read(data, "banned", bool)


def parse_roles(data: dict[str, Any]) -> list[User.Role]:
    """Return the known roles in the order of `User.Role`.

    Only `public_metadata` counts, because users can write `unsafe_metadata`. It has values of any type, so a value that
    is not a list counts as missing.
    """
    names = _role_names(data)
    wanted = {_normalize(name) for name in names}
    known = [role for role in User.Role if role in wanted]
    if len(known) < len(names):
        log.warning("Ignored unknown or repeated values in public_metadata.roles; kept %s", known)
    return known


def parse_other_roles(data: dict[str, Any]) -> list[Any]:
    """Return the values of the list of roles that are not known roles, unchanged. Values that no JSON can contain are left out."""
    return [name for name in _role_names(data) if _normalize(name) not in list(User.Role) and _is_json(name)]


def _role_names(data: dict[str, Any]) -> list[Any]:
    names = read(data, "public_metadata", dict).get("roles")
    if not isinstance(names, list):
        raise KeyMissingError("roles")
    return names


def _normalize(name: object) -> str:
    # ASCII only, because the upper case of a dotless i is I, which would turn "admın" into a role.
    return name.strip().upper() if isinstance(name, str) and name.isascii() else ""


def parse_metadata(data: dict[str, Any]) -> dict[str, Any]:
    """Return the values of METADATA_KEYS.

    A value that PostgreSQL cannot store becomes `{}`, which is never a valid value. One that contains a number beyond the
    range of floats, such as 1e400, counts as absent.
    """
    metadata = read(data, "public_metadata", dict)
    found = {key: metadata[key] for key in METADATA_KEYS if metadata.get(key) is not None}
    return {key: value if _is_storable(value) else {} for key, value in found.items() if _is_finite(value)}


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _is_json(value: Any) -> bool:
    """Return whether `value` can be sent to Clerk: it contains neither infinite numbers nor lone surrogates."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return True


def _is_storable(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return _is_json(value) and len(text.encode()) <= 1000 and "\\u0000" not in text


def parse_created_at(data: dict[str, Any]) -> datetime:
    return read_time(data, "created_at")
