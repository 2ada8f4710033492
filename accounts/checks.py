"""System checks of the accounts app. Ids are never reused."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from accounts.clerk import jwks


@checks.register(checks.Tags.security)
def check_parties(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001: people can be sent to Clerk, but every token they bring back is refused."""
    if not settings.CLERK_PUBLISHABLE_KEY or settings.CLERK_AUTHORIZED_PARTIES:
        return []
    return [
        checks.Error(
            "CLERK_AUTHORIZED_PARTIES is not set, so every session token is refused.",
            hint="List the origins of this site, with scheme: https://profiles.example.com",
            id="accounts.E001",
        )
    ]


@checks.register(checks.Tags.security)
def check_jwt_key(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: the public key cannot be read."""
    try:
        if settings.CLERK_JWT_KEY:
            jwks.parse_pem(settings.CLERK_JWT_KEY)
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="accounts.E002")]
    return []


@checks.register(checks.Tags.security)
def check_same_kind(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003: the keys are of a development and of a production instance."""
    publishable, secret = settings.CLERK_PUBLISHABLE_KEY, settings.CLERK_SECRET_KEY
    if not publishable or not secret or publishable.split("_")[1:2] == secret.split("_")[1:2]:
        return []
    return [
        checks.Error(
            "CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY are of different instances: one is test, the other live.",
            hint="Copy both from the API keys page of one instance in Clerk's dashboard.",
            id="accounts.E003",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_production(**kwargs: Any) -> list[checks.CheckMessage]:
    """W004: a deployment uses a development instance, whose users and limits are for trying things out."""
    if settings.LOCAL_MODE or not settings.CLERK_PUBLISHABLE_KEY.startswith("pk_test_"):
        return []
    return [
        checks.Warning(
            "CLERK_PUBLISHABLE_KEY belongs to a development instance: at most 100 users, and sessions that pass through the "
            "address.",
            hint="Use the keys of the production instance (pk_live_…).",
            id="accounts.W004",
        )
    ]
