"""Switches, as a test wants them."""

from typing import Any

from django.core.cache import caches
from waffle.models import CACHE_EMPTY

from accounts import flags as of_accounts
from accounts.models import Flag
from profiles import flags as of_profiles

NAMES = (
    of_accounts.HANDSHAKE,
    of_profiles.DIRECTORY_FACETS,
    of_profiles.IN_PLACE_EDITING,
    of_profiles.PUBLIC_API,
)


def forget() -> None:
    """Empty the cache of this process, as time would."""
    caches["flags"].clear()


def all_on() -> None:
    """Have the cache say that no row speaks of any switch, so that everything is on and asking costs no query."""
    forget()
    caches["flags"].set_many({Flag._cache_key(name): CACHE_EMPTY for name in NAMES}, timeout=None)


def switch(name: str, *, everyone: bool | None = None, percent: float | None = None, **members: Any) -> Flag:
    """Store a switch as the admin does.

    Args:
        members: `users` and `groups`, lists.
    """
    facts = {"everyone": everyone, "percent": percent, "superusers": False}
    flag: Flag
    flag, _ = Flag.objects.update_or_create(name=name, defaults=facts)
    for kind, found in members.items():
        getattr(flag, kind).set(found)
    flag.flush()  # what happens on commit, which tests do not come to
    return flag
