"""Convert a payload to a test fixture with the same structure and without personal data.

Every value that may contain personal data is replaced. A value has the same replacement in all fixtures of this
deployment, so that IDs still match. Replacements depend on the secret key, so they cannot be used to confirm a guess.
"""

import ipaddress
import json
import math
import re
from random import Random
from typing import Any

from django.utils.crypto import salted_hmac

from accounts.clerk.user_fields import METADATA_KEYS
from accounts.models import User

#: Keys whose values are Clerk's constants, such as "event" or "email_code".
WORDS = {"object", "type", "status", "strategy", "provider", "protocol"}
WORD = re.compile(r"[a-z][A-Za-z0-9_.]{0,39}")
TIMES = re.compile(r"timestamp|expire_at|\w+_at")
#: Numbers without personal data.
COUNTS = {"attempts", "verification_attempts_remaining", "lockout_expires_in_seconds", "max_allowed_memberships"}
#: ID prefixes. The list is explicit, because a username such as zofia_w looks like an ID.
ID = re.compile(r"(user|sess|client|idn|ins|inv|org|orgmem|orginv|eac|dmn|perm|role|wle)_[A-Za-z0-9]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
PHONE = re.compile(r"\+\d{5,15}")
KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
#: Objects with arbitrary data. Their keys may also contain personal data.
METADATA = re.compile(r"\w*metadata")
ROLES = "roles"
UPPER, LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
DIGITS = "123456789"
#: Smaller times are in seconds, and larger times are in milliseconds; see accounts.clerk.fields.
SECONDS_BELOW = 100_000_000_000


class FixtureError(Exception):
    """The payload cannot be turned into a fixture. The message explains why."""


def make_fixture(payload: str | None) -> str:
    """Return a payload as formatted JSON without personal data.

    Raises:
        FixtureError: the payload is empty or not JSON.
    """
    if payload is None:
        raise FixtureError("The payload of this event is not stored, so there is nothing to copy.")
    try:
        return json.dumps(_anonymized(json.loads(payload)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        raise FixtureError("The payload of this event is not valid JSON, so it cannot be copied.") from None


def _anonymized(value: Any, key: str = "", *, in_metadata: bool = False) -> Any:
    """Return a value with personal data replaced.

    Args:
        key: the key of the value, or of the list that contains the value.
        in_metadata: whether the value is part of metadata.
    """
    match value:
        case dict():
            inside = in_metadata or bool(METADATA.fullmatch(key))
            return {
                _key(name, in_metadata=inside): _anonymized(part, name, in_metadata=inside)
                for name, part in value.items()
            }
        case list():
            return [_anonymized(part, key, in_metadata=in_metadata) for part in value]
        case str():
            return _text(value, key, in_metadata=in_metadata)
        case bool() | None:
            return value
    return _number(value, key, in_metadata=in_metadata)


def _key(name: str, *, in_metadata: bool) -> str:
    is_known = name in (ROLES, *METADATA_KEYS)
    return name if is_known or (not in_metadata and KEY.fullmatch(name)) else _replacement(name)


def _text(value: str, key: str, *, in_metadata: bool) -> str:
    if not value or (not in_metadata and key in WORDS and WORD.fullmatch(value)):
        return value
    if key == ROLES and value.isascii() and value.strip().upper() in User.Role.values:
        return value
    return _replacement(value)


def _number(value: float, key: str, *, in_metadata: bool) -> float:
    if not in_metadata and TIMES.fullmatch(key):
        return _shifted(value)
    if not in_metadata and key in COUNTS:
        return value
    # The "e" in scientific notation would be replaced like a letter.
    digits = f"{abs(value):f}" if "e" in str(value) else str(abs(value))
    number = type(value)(_scrambled(digits) if math.isfinite(value) else value)
    return -number if value < 0 else number


def _shifted(moment: float) -> float:
    """Move a time back by a number of weeks that is the same for all times, so that their order is kept."""
    back_s = 7 * 24 * 3600 * _random_for("times").randint(2, 50)
    if moment < SECONDS_BELOW / 1000:
        return moment
    return moment - (back_s if moment < SECONDS_BELOW else 1000 * back_s)


def _replacement(value: str) -> str:
    if found := ID.fullmatch(value):
        return f"{found[1]}_{_scrambled(value[len(found[1]) + 1 :])}"
    if EMAIL.fullmatch(value):
        return f"{_name(value.lower())}@example.com"
    if PHONE.fullmatch(value):
        return f"+1555{_random_for(value).randrange(10**7):07d}"
    if value.startswith(("https://", "http://")):
        return f"https://img.example.com/{_name(value)}"
    try:
        version = ipaddress.ip_address(value).version
    except ValueError:
        return _scrambled(value)
    # Addresses reserved for documentation.
    return (
        f"203.0.113.{_random_for(value).randint(1, 254)}"
        if version == 4
        else f"2001:db8::{_random_for(value).randint(1, 65535):x}"
    )


def _scrambled(value: str) -> str:
    random = _random_for(value)
    return "".join(_other(character, random) for character in value)


def _other(character: str, random: Random) -> str:
    if character in "0123456789":
        return random.choice(DIGITS.replace(character, ""))
    for letters in (LOWER, UPPER):
        if character in letters:
            return random.choice(letters.replace(character, ""))
    if character.isalnum():  # choose a neighbouring character, which is probably in the same script
        first = ord(character) & ~0x1F
        others = [chr(code) for code in range(first, first + 32) if chr(code).isalpha() and chr(code) != character]
        return random.choice(others or ["é"])
    return character if character.isprintable() else "\ufffd"


def _name(value: str) -> str:
    return f"{_random_for(value).randrange(16**12):012x}"


def _random_for(value: str) -> Random:
    """Return a generator seeded by the value and the secret key, so that replacements are stable but cannot be guessed."""
    seed = salted_hmac("webhooks.payloads.anonymize", value.encode("utf-8", "replace"), algorithm="sha256").digest()
    return Random(seed)  # noqa: S311  # the seed is the secret
