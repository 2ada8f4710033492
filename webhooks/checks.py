"""System checks. IDs are never reused."""

from typing import Any

import apprise
from django.conf import settings
from django.core import checks

from webhooks.inbox import ip_allowlist, signatures


@checks.register(checks.Tags.security)
def check_secrets(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001: no signing secret is set. E002: a signing secret is invalid."""
    if not settings.CLERK_WEBHOOK_SECRETS:
        return [
            checks.Error(
                "CLERK_WEBHOOK_SECRET is not set, so every webhook is answered with 500.",
                hint="Copy the signing secret (whsec_…) from the endpoint's page in Clerk's dashboard.",
                id="webhooks.E001",
            )
        ]
    return [
        checks.Error(
            f"Entry {position} of CLERK_WEBHOOK_SECRET is not a signing secret.",
            hint="Copy the whole secret again: whsec_ followed by base64.",
            id="webhooks.E002",
        )
        for position, secret in enumerate(settings.CLERK_WEBHOOK_SECRETS, 1)
        if not signatures.is_usable(secret)
    ]


@checks.register(checks.Tags.security)
def check_allowed_addresses(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003 and E004: an IP allowlist is invalid."""
    found: list[checks.CheckMessage] = []
    for name, number in (("CLERK_WEBHOOK_ALLOWED_IPS", 3), ("METRICS_ALLOWED_IPS", 4)):
        try:
            ip_allowlist.networks(tuple(getattr(settings, name)))
        except ValueError as error:
            hint = 'Separate addresses or networks with commas, or use "svix".'
            found.append(checks.Error(f"{name} is invalid: {error}.", hint=hint, id=f"webhooks.E00{number}"))
    return found


@checks.register(checks.Tags.security)
def check_alert_channels(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: no alert channel is configured. E005: Apprise cannot parse a channel's URL."""
    if not settings.ALERT_URLS and not settings.LOCAL_MODE:
        hint = "Set it to one or more Apprise URLs, such as mailto://user:password@example.com."
        return [
            checks.Warning("ALERT_URLS is not set, so no alert notifications are sent.", hint=hint, id="webhooks.W001")
        ]
    return [
        checks.Error(
            f"Apprise cannot parse entry {position} of ALERT_URLS.",
            hint="See github.com/caronc/apprise/wiki for the format. Percent-encode special characters, such as %20.",
            id="webhooks.E005",
        )
        for position, url in enumerate(settings.ALERT_URLS, 1)
        if not apprise.Apprise().add(url)
    ]
