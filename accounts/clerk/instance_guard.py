"""Check that CLERK_SECRET_KEY belongs to our Clerk instance before users are created or deleted because of it.

Clerk accepts the key of another instance, which has none of our users. Every lookup would then return 404, which would
delete our users for good, and every listing would import strangers.
"""

from functools import lru_cache

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings

from accounts.clerk import instance, jwks
from accounts.clerk.http import ClerkApiError, request


class WrongInstanceError(ClerkApiError):
    """CLERK_SECRET_KEY belongs to a different instance than the other Clerk settings."""


def verify_secret_key() -> None:
    """Raise unless CLERK_SECRET_KEY belongs to our instance. Success is remembered for the life of the process.

    Raises:
        WrongInstanceError: the key belongs to another instance.
        ClerkApiError: the check was not possible.
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
    """Raise like `verify_secret_key`, given the response to GET /v1/jwks with the secret key."""
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
    """Return whether any setting identifies one of these keys. One match is enough, because other settings may be outdated."""
    numbers = {key.public_numbers() for key in their_keys.values()}
    # The id of the signing key is the instance id.
    if settings.CLERK_INSTANCE_ID in their_keys:
        return True
    if settings.CLERK_JWT_KEY and jwks.parse_pem(settings.CLERK_JWT_KEY).public_numbers() in numbers:
        return True
    if instance.current() is None:
        # Signing in is disabled, so there may be nothing to compare with.
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
