"""Which Clerk instance this deployment belongs to, and what follows from its publishable key."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Instance:
    """What a publishable key says.

    Attributes:
        frontend_api_url: where browsers talk to Clerk, with scheme and without a slash; also the issuer of its tokens.
        is_development: development instances pass handshakes in the URL, production ones in a cookie.
        cookie_suffix: tells the cookies of two instances on one host apart.
    """

    publishable_key: str
    frontend_api_url: str
    is_development: bool
    cookie_suffix: str


def current() -> Instance | None:
    """Return the instance of the settings; None if no publishable key is set, and then nobody can sign in with Clerk."""
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
        # As in @clerk/shared, keys.ts.
        cookie_suffix=base64.urlsafe_b64encode(digest).decode()[:8],
    )
