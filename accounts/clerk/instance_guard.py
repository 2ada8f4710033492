"""Check that CLERK_SECRET_KEY belongs to our Clerk instance before creating or deleting users.

Clerk also accepts keys for other instances, which do not contain our users. With such a key, every lookup would return
404 and permanently delete a user, and every listing would import users of another site.
"""

from functools import lru_cache

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings

from accounts.clerk import instance, jwks
from accounts.clerk.http import ClerkApiError, request


class WrongInstanceError(ClerkApiError):
    """CLERK_SECRET_KEY and the other Clerk settings belong to different instances."""


def verify_secret_key() -> None:
    """Check that CLERK_SECRET_KEY belongs to our instance. Success is cached for the lifetime of the process.

    Raises:
        WrongInstanceError: the key belongs to another instance.
        ClerkApiError: the check could not be completed.
    """
    _verify(
        settings.CLERK_API_URL,
        settings.CLERK_SECRET_KEY,
        settings.CLERK_INSTANCE_ID,
        settings.CLERK_JWT_KEY,
        settings.CLERK_FRONTEND_API_URL,
    )


@lru_cache(maxsize=8)
def _verify(*cache_key: str) -> None:
    check_key_set(request("GET", "/v1/jwks"))


def check_key_set(response: object) -> None:
    """Check the response to GET /v1/jwks. Raises the same exceptions as `verify_secret_key`."""
    try:
        their_keys = jwks.parse_key_set(response)
    except ValueError as error:
        raise ClerkApiError(f"Clerk's response to GET /v1/jwks is not a key set: {error}") from None
    if not _is_ours(their_keys):
        raise WrongInstanceError(
            f"CLERK_SECRET_KEY belongs to another Clerk instance (key ids: {', '.join(sorted(their_keys)) or 'none'}), so no "
            "user data is read with it. Copy the secret key of the instance that CLERK_PUBLISHABLE_KEY belongs to."
        )


def _is_ours(their_keys: dict[str, RSAPublicKey]) -> bool:
    """Return whether any setting matches one of these keys.

    One match is enough, because other settings may be outdated.
    """
    numbers = {key.public_numbers() for key in their_keys.values()}
    # The signing key's id is the instance id.
    if settings.CLERK_INSTANCE_ID in their_keys:
        return True
    if settings.CLERK_JWT_KEY and jwks.parse_pem(settings.CLERK_JWT_KEY).public_numbers() in numbers:
        return True
    if instance.current() is None:
        # Sign-in is disabled, so there may be no keys to compare with.
        return not (settings.CLERK_INSTANCE_ID or settings.CLERK_JWT_KEY)
    return any(key.public_numbers() in numbers for key in _published_keys())


def _published_keys() -> list[RSAPublicKey]:
    try:
        return list(jwks.fetch_published().values())
    except (ValueError, httpx.HTTPError) as error:
        raise ClerkApiError(
            "CLERK_SECRET_KEY could not be matched to this instance, because CLERK_FRONTEND_API_URL "
            f"({settings.CLERK_FRONTEND_API_URL}) returned no keys: {error}. Set CLERK_INSTANCE_ID or CLERK_JWT_KEY."
        ) from None
