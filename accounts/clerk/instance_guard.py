"""Whether CLERK_SECRET_KEY is a key of our own instance, asked before anything is believed that deletes or creates people.

Clerk accepts a key of another instance as well, and there nobody of ours exists: whoever was asked for would be deleted here
for good, and strangers would be taken in.
"""

from functools import lru_cache

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings

from accounts.clerk import instance, jwks
from accounts.clerk.http import ClerkApiError, ask


class WrongInstanceError(ClerkApiError):
    """The secret key is of another instance than everything else that is configured."""


def verify_secret_key() -> None:
    """Make sure that the secret key is of our own instance. It asks Clerk once in a process that may believe it.

    Raises:
        WrongInstanceError: it is not.
        ClerkApiError: that could not be found out.
    """
    _verify(
        settings.CLERK_API_URL,
        settings.CLERK_SECRET_KEY,
        settings.CLERK_INSTANCE_ID,
        settings.CLERK_JWT_KEY,
        settings.CLERK_FRONTEND_API_URL,
    )


@lru_cache(maxsize=8)
def _verify(*configured: str) -> None:
    """Remember, for these settings, that all is well; an error is not remembered."""
    check_key_set(ask("GET", "/v1/jwks"))


def check_key_set(answer: object) -> None:
    """Raise as `confirm` does, given what Clerk answers when the secret key asks for the instance's public keys."""
    try:
        theirs = jwks.parse_key_set(answer)
    except ValueError as error:
        raise ClerkApiError(f"Clerk's answer to GET /v1/jwks is no set of keys: {error}") from None
    if not _is_ours(theirs):
        raise WrongInstanceError(
            f"CLERK_SECRET_KEY is of another Clerk instance, whose keys are {', '.join(sorted(theirs)) or 'none'}. Nothing "
            "is believed that it tells of people here. Copy the key of the instance that CLERK_PUBLISHABLE_KEY is of."
        )


def _is_ours(theirs: dict[str, RSAPublicKey]) -> bool:
    """Return whether anything that is configured names one of these keys; any of it may be out of date."""
    numbers = {key.public_numbers() for key in theirs.values()}
    if settings.CLERK_INSTANCE_ID in theirs:  # the id of the key that signs is the instance's
        return True
    if settings.CLERK_JWT_KEY and jwks.parse_pem(settings.CLERK_JWT_KEY).public_numbers() in numbers:
        return True
    if instance.current() is None:  # then nobody can sign in, and there may be nothing to compare with
        return not (settings.CLERK_INSTANCE_ID or settings.CLERK_JWT_KEY)
    return any(key.public_numbers() in numbers for key in _published())


def _published() -> list[RSAPublicKey]:
    """Return the keys that our instance shows to everybody."""
    try:
        return list(jwks.fetch_published().values())
    except (ValueError, httpx.HTTPError) as error:
        raise ClerkApiError(
            "Whether CLERK_SECRET_KEY is of this instance cannot be told, because CLERK_FRONTEND_API_URL "
            f"({settings.CLERK_FRONTEND_API_URL}) shows no keys: {error}. Set CLERK_INSTANCE_ID, or CLERK_JWT_KEY."
        ) from None
