"""System checks for hosts, proxies and HTTPS. IDs are never reused."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.http.request import validate_host

from core.origins import canonical_origin

#: Required by hstspreload.org.
MIN_PRELOAD_S = 365 * 24 * 3600
MIN_KEY_LENGTH, MIN_KEY_CHARACTERS = 32, 5
#: A host name or an IP address. A leading dot includes subdomains and requires at least two labels, because .com is too
#: broad.
ALLOWED_HOST = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+|[a-z0-9_-]+|\[[0-9a-f:.]+\]", re.ASCII | re.IGNORECASE)
#: An origin, or all subdomains of a domain with at least two labels.
WILDCARD = re.compile(r"(https?://)\*\.(?=[^.]+\.)")
#: Words in the names and values of headers that proxies use to mark HTTPS requests.
TLS_HEADER_WORDS = ("PROTO", "SCHEME", "SSL", "HTTPS", "TLS", "CF_VISITOR")
TLS_HEADER_VALUES = ("https", "on", "1", "true", "yes", "ssl", '{"scheme":"https"}')


@checks.register(checks.Tags.security, deploy=True)
def check_debug(**kwargs: Any) -> list[checks.CheckMessage]:
    """E002: debug pages are enabled in production."""
    if not settings.DEBUG or settings.LOCAL_MODE:
        return []
    return [
        checks.Error(
            "DEBUG is on, so error pages show settings and source code to visitors.",
            hint="Set DEBUG=off, or leave it unset.",
            id="config.E002",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_secret_key(**kwargs: Any) -> list[checks.CheckMessage]:
    """E003: SECRET_KEY or an earlier key can be guessed."""
    return [
        message
        for name, keys in (
            ("SECRET_KEY", [settings.SECRET_KEY]),
            ("SECRET_KEY_FALLBACKS", settings.SECRET_KEY_FALLBACKS),
        )
        for key in keys
        for message in _key_problems(name, key)
    ]


def _key_problems(name: str, key: str) -> list[checks.CheckMessage]:
    if len(key) >= MIN_KEY_LENGTH and len(set(key)) >= MIN_KEY_CHARACTERS:
        return []
    return [
        checks.Error(
            f"{name} is too easy to guess. It needs {MIN_KEY_LENGTH} or more random characters.",
            hint="Generate a key with: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="config.E003",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_allowed_hosts(**kwargs: Any) -> list[checks.CheckMessage]:
    """E004: no host is allowed. E005: every host is allowed, or an entry never matches."""
    if settings.LOCAL_MODE:
        return []
    if not settings.ALLOWED_HOSTS:
        message = "ALLOWED_HOSTS is not set, so every page returns 400."
        return [checks.Error(message, hint="Set it to the host names of the site.", id="config.E004")]
    return [_host_error(host) for host in settings.ALLOWED_HOSTS if not ALLOWED_HOST.fullmatch(host)]


def _host_error(host: str) -> checks.CheckMessage:
    reason = "allows every host" if host in ("*", ".") else "is not a host name of the site"
    return checks.Error(
        f"{host!r} in ALLOWED_HOSTS {reason}.",
        hint="Use names such as profiles.example.com, or .example.com with its subdomains, without scheme, port and path.",
        id="config.E005",
    )


@checks.register(checks.Tags.security, deploy=True)
def check_site_url(**kwargs: Any) -> list[checks.CheckMessage]:
    """E011: links in emails and alerts would not work. E013: the site rejects its own address."""
    if settings.LOCAL_MODE:
        return []
    if not settings.SITE_URL:
        message = "SITE_URL is not set, so links in emails and alerts have no address."
        return [
            checks.Error(
                message, hint="Set it to the origin of the site: https://profiles.example.com", id="config.E011"
            )
        ]
    host = urlsplit(settings.SITE_URL).hostname or ""
    # Other entries are reported by the previous check.
    hosts = [entry for entry in settings.ALLOWED_HOSTS if ALLOWED_HOST.fullmatch(entry)]
    if len(hosts) < len(settings.ALLOWED_HOSTS) or not hosts or validate_host(host, hosts):
        return []
    return [
        checks.Error(
            f"ALLOWED_HOSTS does not include {host} from SITE_URL, so links in emails and alerts return 400.",
            hint=f"Add {host} to ALLOWED_HOSTS, or leave ALLOWED_HOSTS unset.",
            id="config.E013",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_live_site(**kwargs: Any) -> list[checks.CheckMessage]:
    """W012: the site behaves like a restored copy."""
    if settings.LIVE_SITE:
        return []
    return [
        checks.Warning(
            "LIVE_SITE is off, so this site sends no email and no alerts, and changes nothing at Clerk.",
            hint="Set LIVE_SITE=on if this is the site that people use, and not a copy.",
            id="config.W012",
        )
    ]


@checks.register(checks.Tags.security)
def check_trusted_origins(**kwargs: Any) -> list[checks.CheckMessage]:
    """E006: an origin never matches, or matches every site."""
    return [
        checks.Error(
            f"{origin!r} in CSRF_TRUSTED_ORIGINS is not an origin.",
            hint="Write it as browsers send it, in lower case and without a path: https://forms.example.com",
            id="config.E006",
        )
        for origin in settings.CSRF_TRUSTED_ORIGINS
        if canonical_origin(plain := WILDCARD.sub(r"\1", origin)) != plain or "*" in plain
    ]


@checks.register(checks.Tags.security)
def check_tls_header(**kwargs: Any) -> list[checks.CheckMessage]:
    """E007: the header does not show that a request used HTTPS."""
    header = settings.SECURE_PROXY_SSL_HEADER
    if header is None or _marks_https(*header):
        return []
    return [
        checks.Error(
            f"TRUSTED_PROXY_SSL_HEADER is {_spelled(header)}, which does not show that a request used HTTPS.",
            hint="Set it to the header and value that your proxy adds to HTTPS requests, usually X-Forwarded-Proto: https.",
            id="config.E007",
        )
    ]


def _marks_https(name: str, value: str) -> bool:
    is_name = re.fullmatch(r"HTTP_[A-Z0-9_]+", name)
    return bool(is_name) and any(word in name[5:] for word in TLS_HEADER_WORDS) and value in TLS_HEADER_VALUES


def _spelled(header: tuple[str, str]) -> str:
    return repr(f"{header[0].removeprefix('HTTP_').replace('_', '-').title()}: {header[1]}")


@checks.register(checks.Tags.security, deploy=True)
def check_proxies(**kwargs: Any) -> list[checks.CheckMessage]:
    """E008: all clients share the proxy's address. W009: HTTPS is not recognized. W010: a setting has no effect."""
    return [] if settings.LOCAL_MODE else list(_proxy_problems())


def _proxy_problems() -> Iterator[checks.CheckMessage]:
    header, count = settings.SECURE_PROXY_SSL_HEADER, settings.TRUSTED_PROXY_COUNT
    if header and not count:
        yield checks.Error(
            "TRUSTED_PROXY_SSL_HEADER is set but TRUSTED_PROXY_COUNT is 0, so all clients seem to have the proxy's IP address.",
            hint="Set TRUSTED_PROXY_COUNT to the number of proxies between browsers and this server.",
            id="config.E008",
        )
    if not header:
        yield checks.Warning(
            "TRUSTED_PROXY_SSL_HEADER is not set, so pages behind a proxy that terminates TLS redirect to themselves.",
            hint="Set it to the header that your proxy adds to HTTPS requests, usually X-Forwarded-Proto: https.",
            id="config.W009",
        )
    if settings.TRUSTED_PROXY_IP_HEADER == "Forwarded" and not count:
        yield checks.Warning(
            "TRUSTED_PROXY_IP_HEADER has no effect, because TRUSTED_PROXY_COUNT is 0.",
            hint="Set TRUSTED_PROXY_COUNT to the number of your proxies.",
            id="config.W010",
        )


@checks.register(checks.Tags.security)
def check_preload(**kwargs: Any) -> list[checks.CheckMessage]:
    """W001: HSTS preload has no effect without its conditions."""
    meets_conditions = settings.SECURE_HSTS_INCLUDE_SUBDOMAINS and settings.SECURE_HSTS_SECONDS >= MIN_PRELOAD_S
    if not settings.SECURE_HSTS_PRELOAD or meets_conditions:
        return []
    return [
        checks.Warning(
            "SECURE_HSTS_PRELOAD has no effect, because browsers require HSTS for a year and for subdomains.",
            hint=f"Set SECURE_HSTS_SECONDS={MIN_PRELOAD_S} and SECURE_HSTS_INCLUDE_SUBDOMAINS=on, or turn preload off.",
            id="config.W001",
        )
    ]


@checks.register(checks.Tags.security)
def check_replica(**kwargs: Any) -> list[checks.CheckMessage]:
    """E020: the replica's URL names the primary."""
    primary, replica = settings.DATABASES["default"], settings.DATABASES.get("replica")
    if not replica or any(primary[part] != replica[part] for part in ("HOST", "PORT", "NAME")):
        return []
    return [
        checks.Error(
            "DATABASE_REPLICA_URL names the same database as DATABASE_URL.",
            hint="Set it to a streaming replica, or leave it unset.",
            id="config.E020",
        )
    ]
