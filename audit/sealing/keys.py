"""The keys of the seals. They come from the environment, so that whoever owns the database cannot make seals."""

import hashlib
from dataclasses import dataclass, field

from django.conf import settings

#: Shorter ones could be found by trying.
SHORTEST = 32


class NoKeyError(Exception):
    """AUDIT_SEAL_KEY is not set, so nothing can be sealed or verified."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of AUDIT_SEAL_KEY.

    Attributes:
        key_id: names the key in seals without telling it.
        age: 0 for the newest, which seals; 1 for the one before it, and so on.
    """

    key_id: str
    secret: bytes = field(repr=False)
    age: int


def current() -> Key:
    """Return the key that seals.

    Raises:
        NoKeyError: there is none.
    """
    return next(iter(known().values()))


def known() -> dict[str, Key]:
    """Return every key by its id, the newest first.

    Raises:
        NoKeyError: there is none.
    """
    keys = [_key(text, age) for age, text in enumerate(settings.AUDIT_SEAL_KEYS)]
    if not keys:
        raise NoKeyError("AUDIT_SEAL_KEY is not set, so the audit log is not sealed. See docs/audit.md.")
    return {key.key_id: key for key in keys}


def _key(text: str, age: int) -> Key:
    secret = text.encode()
    return Key(hashlib.sha256(b"audit seal key id\x00" + secret).hexdigest()[:12], secret, age)
