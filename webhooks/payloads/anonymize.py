"""A payload as a test fixture: the shape of the real one, and nothing of its person.

What is harmless is named; everything else is replaced. The same value becomes the same other value wherever it stands and
in every fixture of this deployment, so that ids still match. Which one it becomes depends on the secret key, so that nobody
who guesses a value can find out whether it was that.
"""

import ipaddress
import json
import math
import re
from random import Random
from typing import Any

from django.utils.crypto import salted_hmac

from accounts.clerk.fields import METADATA_KEYS
from accounts.models import User

#: Keys whose values are words of Clerk's, such as "event" or "email_code", and not of people.
WORDS = {"object", "type", "status", "strategy", "provider", "protocol"}
WORD = re.compile(r"[a-z][A-Za-z0-9_.]{0,39}")
TIMES = re.compile(r"timestamp|expire_at|\w+_at")
#: Numbers that say nothing of anybody.
COUNTS = {"attempts", "verification_attempts_remaining", "lockout_expires_in_seconds", "max_allowed_memberships"}
#: Named one by one, because somebody may be called zofia_w.
ID = re.compile(r"(user|sess|client|idn|ins|org|orgmem|orginv|eac|dmn|perm|role)_[A-Za-z0-9]+")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
PHONE = re.compile(r"\+\d{5,15}")
KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
#: In these, people and programs write what they like, names of keys included.
METADATA = re.compile(r"\w*metadata")
ROLES = "roles"
UPPER, LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
DIGITS = "123456789"
#: Below it, a time is one of seconds; see accounts.clerk.fields.
SECONDS_BELOW = 100_000_000_000


class NoFixture(Exception):
    """What was stored cannot be made a fixture of; the message says why."""


def make(payload: str | None) -> str:
    """Return a payload as readable JSON without anything of its person.

    Raises:
        NoFixture: there is no payload, or it is not JSON.
    """
    if payload is None:
        raise NoFixture("The payload of this event is not kept, so there is nothing to copy.")
    try:
        return json.dumps(_without_person(json.loads(payload)), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        raise NoFixture("The payload of this event is not JSON that could be copied.") from None


def _without_person(value: Any, key: str = "", *, free: bool = False) -> Any:
    """Return a value with the person replaced.

    Args:
        key: under which it stands.
        free: it is part of metadata.
    """
    match value:
        case dict():
            inside = free or bool(METADATA.fullmatch(key))
            return {_key(name, free=inside): _without_person(part, name, free=inside) for name, part in value.items()}
        case list():
            return [_without_person(part, key, free=free) for part in value]
        case str():
            return _text(value, key, free=free)
        case bool() | None:
            return value
    return _number(value, key, free=free)


def _key(name: str, *, free: bool) -> str:
    is_ours = name in (ROLES, *METADATA_KEYS)
    return name if is_ours or (not free and KEY.fullmatch(name)) else _replaced(name)


def _text(value: str, key: str, *, free: bool) -> str:
    if not value or (not free and key in WORDS and WORD.fullmatch(value)):
        return value
    if key == ROLES and value.strip().upper() in User.Role.values:
        return value
    return _replaced(value)


def _number(value: float, key: str, *, free: bool) -> float:
    if not free and TIMES.fullmatch(key):
        return _moved(value)
    if not free and key in COUNTS:
        return value
    digits = f"{abs(value):f}" if "e" in str(value) else str(abs(value))  # the e of 1e-07 is no letter to replace
    number = type(value)(_scrambled(digits) if math.isfinite(value) else value)
    return -number if value < 0 else number


def _moved(moment: float) -> float:
    """Return a time, moved back by the same weeks for everybody, so that what came later still did."""
    back_s = 7 * 24 * 3600 * _lots("times").randint(2, 50)
    if moment < SECONDS_BELOW / 1000:
        return moment
    return moment - (back_s if moment < SECONDS_BELOW else 1000 * back_s)


def _replaced(value: str) -> str:
    """Return another text of the same kind."""
    if found := ID.fullmatch(value):
        return f"{found[1]}_{_scrambled(value[len(found[1]) + 1 :])}"
    if EMAIL.fullmatch(value):
        return f"{_name(value.lower())}@example.com"
    if PHONE.fullmatch(value):
        return f"+1555{_lots(value).randrange(10**7):07d}"
    if value.startswith(("https://", "http://")):
        return f"https://img.example.com/{_name(value)}"
    try:
        version = ipaddress.ip_address(value).version
    except ValueError:
        return _scrambled(value)
    # Out of those that are kept for documentation.
    return (
        f"203.0.113.{_lots(value).randint(1, 254)}" if version == 4 else f"2001:db8::{_lots(value).randint(1, 65535):x}"
    )


def _scrambled(value: str) -> str:
    """Return a text of the same length and look, in which every letter and digit is another."""
    lots = _lots(value)
    return "".join(_other(character, lots) for character in value)


def _other(character: str, lots: Random) -> str:
    if character in "0123456789":
        return lots.choice(DIGITS.replace(character, ""))
    for letters in (LOWER, UPPER):
        if character in letters:
            return lots.choice(letters.replace(character, ""))
    if character.isalnum():  # a neighbour, which is of the same script
        first = ord(character) & ~0x1F
        others = [chr(code) for code in range(first, first + 32) if chr(code).isalpha() and chr(code) != character]
        return lots.choice(others or ["é"])
    return character if character.isprintable() else "\ufffd"


def _name(value: str) -> str:
    return f"{_lots(value).randrange(16**12):012x}"


def _lots(value: str) -> Random:
    """Return what is drawn for a value: always the same, and nobody without the secret key can tell for which."""
    seed = salted_hmac("webhooks.payloads.anonymize", value.encode("utf-8", "replace"), algorithm="sha256").digest()
    return Random(seed)  # noqa: S311  # the seed is the secret
