"""The deployment's Clerk instance, derived from the publishable key."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Instance:
    """A Clerk instance: one set of users and keys. Development and production are separate instances.

    Attributes:
        frontend_api_url: the URL that browsers use for Clerk, without a trailing slash. It is also the tokens' issuer.
        is_development: whether it is a development instance. Development instances return handshakes in the URL, and
            production instances return them in a cookie.
        cookie_suffix: distinguishes the cookies of different instances on the same host.
    """

    publishable_key: str
    frontend_api_url: str
    is_development: bool
    cookie_suffix: str


def current() -> Instance | None:
    """Return the configured instance, or None if there is no publishable key and users cannot sign in."""
    if not settings.CLERK_PUBLISHABLE_KEY:
        return None
    return _instance(settings.CLERK_PUBLISHABLE_KEY, settings.CLERK_FRONTEND_API_URL)


@lru_cache(maxsize=8)
def _instance(publishable_key: str, frontend_api_url: str) -> Instance:
    digest = hashlib.sha1(publishable_key.encode(), usedforsecurity=False).digest()
    return Instance(
        publishable_key=publishable_key,
        frontend_api_url=frontend_api_url,
        is_development=publishable_key.startswith("pk_test_"),
        # The same computation as in @clerk/shared (keys.ts).
        cookie_suffix=base64.urlsafe_b64encode(digest).decode()[:8],
    )
