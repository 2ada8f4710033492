"""System checks of the webhook settings. The IDs of removed checks are never reused."""

import re
from typing import Any

import apprise
from django.conf import settings
from django.core import checks

from webhooks.inbox import ip_allowlist, signatures
from webhooks.monitoring.notifications import channels

MIN_TOKEN_LENGTH = 16
SVIX_ID = re.compile(r"[A-Za-z0-9_.-]{0,256}")
#: Plain HTTP is allowed only for these hosts.
SVIX_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]+)?|http://(127\.0\.0\.1|localhost)(:[0-9]+)?")


@checks.register(checks.Tags.security)
def check_secrets(**kwargs: Any) -> list[checks.CheckMessage]:
    """E001: no signing secret is set. E002: a signing secret is invalid. E006: a signing secret is too short."""
    if not settings.CLERK_WEBHOOK_SECRETS:
        return [
            checks.Error(
                "CLERK_WEBHOOK_SECRET is not set, so every webhook is answered with 500.",
                hint="Copy the signing secret (whsec_…) from the endpoint's page in Clerk's dashboard.",
                id="webhooks.E001",
            )
        ]
    secrets = enumerate(settings.CLERK_WEBHOOK_SECRETS, 1)
    return [found for position, secret in secrets if (found := _secret_problem(position, secret))]


def _secret_problem(position: int, secret: str) -> checks.CheckMessage | None:
    hint = "Copy the whole secret again: whsec_ followed by base64."
    if not signatures.is_usable(secret):
        message = f"Entry {position} of CLERK_WEBHOOK_SECRET is not a signing secret."
        return checks.Error(message, hint=hint, id="webhooks.E002")
    if not signatures.is_strong(secret):
        message = f"Entry {position} of CLERK_WEBHOOK_SECRET has less than {signatures.MIN_SECRET_BYTES} bytes."
        return checks.Error(message, hint=hint, id="webhooks.E006")
    return None


@checks.register(checks.Tags.security)
def check_allowed_addresses(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003 and E004: an IP allowlist is invalid."""
    found: list[checks.CheckMessage] = []
    for name, number, other in (("CLERK_WEBHOOK_ALLOWED_IPS", 3, ", or use “svix”"), ("METRICS_ALLOWED_IPS", 4, "")):
        try:
            ip_allowlist.networks(tuple(getattr(settings, name)))
        except ValueError as error:
            hint = f"Separate addresses or networks with commas{other}."
            found.append(checks.Error(f"{name} is invalid: {error}.", hint=hint, id=f"webhooks.E00{number}"))
    return found


@checks.register(checks.Tags.security)
def check_metrics_access(**kwargs: Any) -> list[checks.CheckMessage]:
    """E007: the token is too short. E008: /metrics is open to most of the internet."""
    found: list[checks.CheckMessage] = []
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < MIN_TOKEN_LENGTH:
        message = f"METRICS_TOKEN is shorter than {MIN_TOKEN_LENGTH} characters, so it can be guessed."
        hint = "Generate a token with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        found.append(checks.Error(message, hint=hint, id="webhooks.E007"))
    return found + [
        checks.Error(
            f"{entry!r} in METRICS_ALLOWED_IPS lets everyone read /metrics.",
            hint="List the addresses of your scrapers, or set METRICS_TOKEN instead.",
            id="webhooks.E008",
        )
        for entry in settings.METRICS_ALLOWED_IPS
        if ip_allowlist.is_too_wide(entry)
    ]


@checks.register(checks.Tags.security)
def check_svix(**kwargs: Any) -> list[checks.CheckMessage]:
    """E010: some of the Svix settings are missing. E011: a Svix ID or the URL is malformed."""
    given = {name: getattr(settings, name) for name in ("SVIX_API_KEY", "SVIX_APP_ID", "SVIX_ENDPOINT_ID")}
    missing = [name for name, value in given.items() if not value]
    if missing and len(missing) < len(given):
        hint = "Set all three, or none of them to recover deliveries in Clerk's dashboard only."
        return [checks.Error(f"{' and '.join(missing)} must be set too.", hint=hint, id="webhooks.E010")]
    wrong = [name for name in ("SVIX_APP_ID", "SVIX_ENDPOINT_ID") if not SVIX_ID.fullmatch(given[name])]
    if settings.SVIX_API_URL and not SVIX_URL.fullmatch(settings.SVIX_API_URL):
        wrong.append("SVIX_API_URL")
    hint = "Copy the IDs (app_… and ep_…) from Svix's dashboard. The URL must start with https:// and have no path."
    return [checks.Error(f"{name} is not valid.", hint=hint, id="webhooks.E011") for name in wrong]


@checks.register(checks.Tags.security)
def check_alert_channels(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: no channel. W002: an entry is repeated. E005: a URL cannot be parsed. E009: a filter is invalid."""
    if not settings.ALERT_URLS and not settings.LOCAL_MODE:
        hint = "Set it to one or more Apprise URLs, such as mailto://user:password@example.com."
        return [
            checks.Warning("ALERT_URLS is not set, so no alert notifications are sent.", hint=hint, id="webhooks.W001")
        ]
    entries = enumerate(settings.ALERT_URLS, 1)
    return [found for position, entry in entries if (found := _channel_problem(position, entry))]


def _channel_problem(position: int, entry: str) -> checks.CheckMessage | None:
    try:
        url, _route = channels.parse(entry)
    except channels.InvalidFilter as error:
        message = f"Entry {position} of ALERT_URLS has an invalid filter. {error}"
        hint = "Write URL;severity=critical+warning;rules=dead_events+silence. See docs/operators.md."
        return checks.Error(message, hint=hint, id="webhooks.E009")
    if not apprise.Apprise().add(url):
        message = f"Apprise cannot parse entry {position} of ALERT_URLS."
        hint = "See github.com/caronc/apprise/wiki for the format. Percent-encode special characters, such as %20."
        return checks.Error(message, hint=hint, id="webhooks.E005")
    if entry in settings.ALERT_URLS[: position - 1]:
        message = f"Entry {position} of ALERT_URLS repeats an earlier entry. The channel gets each notification once."
        return checks.Warning(message, hint="Remove the entry.", id="webhooks.W002")
    return None
