"""Sealing keys. They come from the environment, so that the database owner cannot create seals."""

import hashlib
from dataclasses import dataclass, field

from django.conf import settings

#: Minimum length in characters. Shorter keys are vulnerable to brute force.
MIN_LENGTH = 32


class NoKeyError(Exception):
    """AUDIT_SEAL_KEY is not set, so nothing can be sealed or verified."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key in AUDIT_SEAL_KEY.

    Attributes:
        key_id: identifies the key in seals without revealing it.
        age: 0 for the newest key, which creates new seals, 1 for the previous key, and so on.
    """

    key_id: str
    secret: bytes = field(repr=False)
    age: int


def current_key() -> Key:
    """Return the key for new seals.

    Raises:
        NoKeyError: AUDIT_SEAL_KEY is not set.
    """
    return next(iter(known_keys().values()))


def known_keys() -> dict[str, Key]:
    """Return all keys by id, newest first.

    Raises:
        NoKeyError: AUDIT_SEAL_KEY is not set.
    """
    keys = [_key(text, age) for age, text in enumerate(settings.AUDIT_SEAL_KEYS)]
    if not keys:
        raise NoKeyError("AUDIT_SEAL_KEY is not set, so the audit log is not sealed. See docs/audit.md.")
    return {key.key_id: key for key in keys}


def _key(text: str, age: int) -> Key:
    secret = text.encode()
    return Key(hashlib.sha256(b"audit seal key id\x00" + secret).hexdigest()[:12], secret, age)
