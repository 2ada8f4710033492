"""Feature flags in tests."""

from typing import Any

from django.core.cache import caches
from waffle.models import CACHE_EMPTY

from accounts import flags as account_flags
from accounts.models import Flag
from profiles import flags as profile_flags

NAMES = (
    account_flags.HANDSHAKE,
    profile_flags.DIRECTORY_FACETS,
    profile_flags.IN_PLACE_EDITING,
    profile_flags.PUBLIC_API,
)


def clear_cache() -> None:
    """Clear this process's cache instead of waiting until it expires."""
    caches["flags"].clear()


def enable_all() -> None:
    """Cache that no flags have rows, so that all features are enabled and checks need no queries."""
    clear_cache()
    caches["flags"].set_many({Flag._cache_key(name): CACHE_EMPTY for name in NAMES}, timeout=None)


def set_flag(name: str, *, everyone: bool | None = None, percent: float | None = None, **members: Any) -> Flag:
    """Store a flag in the same way as the admin.

    Args:
        members: lists of `users` and `groups`.
    """
    values = {"everyone": everyone, "percent": percent, "superusers": False}
    flag: Flag
    flag, _ = Flag.objects.update_or_create(name=name, defaults=values)
    for field, objects in members.items():
        getattr(flag, field).set(objects)
    flag.flush()  # normally done on commit, which does not happen in tests
    return flag
