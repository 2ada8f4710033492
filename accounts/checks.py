"""System checks of the accounts app. IDs are never reused."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from accounts.clerk import jwks


@checks.register(checks.Tags.security)
def check_authorized_parties(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001: sign-in is configured, but every session token would be rejected."""
    if not settings.CLERK_PUBLISHABLE_KEY or settings.CLERK_AUTHORIZED_PARTIES:
        return []
    return [
        checks.Error(
            "CLERK_AUTHORIZED_PARTIES is not set, so every session token is rejected.",
            hint="Set it to the origins of this site, including the scheme: https://profiles.example.com",
            id="accounts.E001",
        )
    ]


@checks.register(checks.Tags.security)
def check_jwt_key(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: CLERK_JWT_KEY is not a valid public key."""
    try:
        if settings.CLERK_JWT_KEY:
            jwks.parse_pem(settings.CLERK_JWT_KEY)
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="accounts.E002")]
    return []


@checks.register(checks.Tags.security)
def check_keys_match(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003: one key belongs to a development instance, the other to a production instance."""
    publishable, secret = settings.CLERK_PUBLISHABLE_KEY, settings.CLERK_SECRET_KEY
    if not publishable or not secret or publishable.split("_")[1:2] == secret.split("_")[1:2]:
        return []
    return [
        checks.Error(
            "CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY belong to different instances: one is a test key, the other a live key.",
            hint="Copy both from the API keys page of one instance in Clerk's dashboard.",
            id="accounts.E003",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_production(**kwargs: Any) -> list[checks.CheckMessage]:
    """W004: a deployment uses a development instance."""
    if settings.LOCAL_MODE or not settings.CLERK_PUBLISHABLE_KEY.startswith("pk_test_"):
        return []
    return [
        checks.Warning(
            "CLERK_PUBLISHABLE_KEY belongs to a development instance, which is limited to 100 users and passes session tokens "
            "in URLs.",
            hint="Use the keys of the production instance (pk_live_…).",
            id="accounts.W004",
        )
    ]
