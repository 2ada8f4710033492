"""System checks for the accounts app. IDs are never reused."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from accounts.clerk import jwks
from core.origins import canonical_origin

SECRET_KEY = re.compile(r"sk_(?:test|live)_[A-Za-z0-9_-]{20,}")
INSTANCE_ID = re.compile(r"ins_[A-Za-z0-9_]+")
KEY_HINT = "Copy it from the API keys page of Clerk's dashboard."


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
    """E003: one key belongs to a development instance and the other to a production instance."""
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


@checks.register(checks.Tags.security)
def check_party_origins(**kwargs: Any) -> list[checks.CheckMessage]:
    """E005: an authorized party never matches. E006: it allows tokens over HTTP. W007: it has an unusual port."""
    return [found for party in settings.CLERK_AUTHORIZED_PARTIES if (found := _party_problem(party))]


def _party_problem(party: str) -> checks.CheckMessage | None:
    origin = canonical_origin(party)
    if origin != party or "*" in party:
        hint = (
            f"Write it as {origin}." if origin and "*" not in party else "Use an origin: https://profiles.example.com"
        )
        message = (
            f"{party!r} in CLERK_AUTHORIZED_PARTIES is not an origin as browsers send it, so it never matches a token."
        )
        return checks.Error(message, hint=hint, id="accounts.E005")
    if settings.LOCAL_MODE:
        return None
    if not party.startswith("https://"):
        message = f"{party!r} in CLERK_AUTHORIZED_PARTIES accepts session tokens of a site without HTTPS."
        return checks.Error(message, hint="Use https://.", id="accounts.E006")
    if urlsplit(party).port:
        message = f"{party!r} in CLERK_AUTHORIZED_PARTIES has a port, and matches only if the site's address includes this port."
        return checks.Warning(message, hint="Remove the port if the site's address has none.", id="accounts.W007")
    return None


@checks.register(checks.Tags.security, deploy=True)
def check_clerk_urls(**kwargs: Any) -> list[checks.CheckMessage]:
    """E008: keys or tokens would be sent without TLS, or to a wrong path. E009: the frontend is another instance's."""
    if settings.LOCAL_MODE:
        return []
    found: list[checks.CheckMessage] = []
    for name in ("CLERK_API_URL", "CLERK_FRONTEND_API_URL"):
        url = getattr(settings, name)
        origin = canonical_origin(url) or ""
        # The Frontend API can be proxied under a path on the site.
        has_wrong_path = name == "CLERK_API_URL" and urlsplit(url).path
        if url and (not origin.startswith("https://") or has_wrong_path):
            hint = "Leave it unset, or use an address such as https://api.clerk.com without a path."
            found.append(
                checks.Error(f"{name} must be an https:// address, not {url!r}.", hint=hint, id="accounts.E008")
            )
    return found + _frontend_problems()


def _frontend_problems() -> list[checks.CheckMessage]:
    """Compare the Frontend API with the publishable key. A proxy on one of this site's domains is allowed."""
    ours = {settings.CLERK_KEY_FRONTEND_API_URL, *settings.CLERK_AUTHORIZED_PARTIES}
    if not settings.CLERK_FRONTEND_API_URL or canonical_origin(settings.CLERK_FRONTEND_API_URL) in ours:
        return []
    return [
        checks.Error(
            f"CLERK_FRONTEND_API_URL is {settings.CLERK_FRONTEND_API_URL!r}, and CLERK_PUBLISHABLE_KEY belongs to "
            f"{settings.CLERK_KEY_FRONTEND_API_URL or 'no instance'!r}.",
            hint="Leave CLERK_FRONTEND_API_URL unset, or use the publishable key of the same instance.",
            id="accounts.E009",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_keys_set(**kwargs: Any) -> list[checks.CheckMessage]:
    """W010: users cannot sign in. W011: users are not compared with Clerk, and changes are not pushed."""
    if settings.LOCAL_MODE:
        return []
    found: list[checks.CheckMessage] = []
    if not settings.CLERK_PUBLISHABLE_KEY:
        message = "CLERK_PUBLISHABLE_KEY is not set, so users cannot sign in."
        found.append(checks.Warning(message, hint=KEY_HINT, id="accounts.W010"))
    if not settings.CLERK_SECRET_KEY:
        message = "CLERK_SECRET_KEY is not set, so users are not compared with Clerk and changes are not pushed to it."
        found.append(checks.Warning(message, hint=KEY_HINT, id="accounts.W011"))
    return found


@checks.register(checks.Tags.security)
def check_local_mode(**kwargs: Any) -> list[checks.CheckMessage]:
    """E012: local mode, which is not protected by HTTPS, uses the keys of a production instance."""
    keys = (settings.CLERK_PUBLISHABLE_KEY, settings.CLERK_SECRET_KEY)
    if not settings.LOCAL_MODE or not any(key.startswith(("pk_live_", "sk_live_")) for key in keys):
        return []
    return [
        checks.Error(
            "LOCAL_MODE is on with keys of a production instance of Clerk, so real users would sign in without HTTPS.",
            hint="Unset LOCAL_MODE on a server. For development, unset CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY.",
            id="accounts.E012",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_secret_key(**kwargs: Any) -> list[checks.CheckMessage]:
    """E013: CLERK_SECRET_KEY is malformed."""
    if settings.LOCAL_MODE or not settings.CLERK_SECRET_KEY or SECRET_KEY.fullmatch(settings.CLERK_SECRET_KEY):
        return []
    message = "CLERK_SECRET_KEY is not a complete secret key (sk_test_… or sk_live_…)."
    return [checks.Error(message, hint=KEY_HINT, id="accounts.E013")]


@checks.register(checks.Tags.security)
def check_instance_id(**kwargs: Any) -> list[checks.CheckMessage]:
    """E014: CLERK_INSTANCE_ID is malformed, so all events would be ignored."""
    if not settings.CLERK_INSTANCE_ID or INSTANCE_ID.fullmatch(settings.CLERK_INSTANCE_ID):
        return []
    message = (
        f"CLERK_INSTANCE_ID must look like ins_…, not {settings.CLERK_INSTANCE_ID!r}. All events would be ignored."
    )
    hint = "Copy it from the events of the instance, or leave it unset."
    return [checks.Error(message, hint=hint, id="accounts.E014")]


@checks.register(checks.Tags.security, deploy=True)
def check_account_portal(**kwargs: Any) -> list[checks.CheckMessage]:
    """W015: users without JavaScript cannot change their name, email addresses or password."""
    if settings.LOCAL_MODE or not settings.CLERK_PUBLISHABLE_KEY or settings.CLERK_ACCOUNT_PORTAL_URL:
        return []
    message = (
        "CLERK_ACCOUNT_PORTAL_URL is not set and cannot be derived from CLERK_PUBLISHABLE_KEY, so users without JavaScript "
        "cannot change their name, email addresses or password."
    )
    hint = "Copy it from the Account Portal page of Clerk's dashboard."
    return [checks.Warning(message, hint=hint, id="accounts.W015")]
