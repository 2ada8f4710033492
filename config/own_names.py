"""Names in the settings that error messages may contain: hosts, folders, and the database and its role."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from core import quoted_names

URLS = (
    "SITE_URL",
    "CLERK_FRONTEND_API_URL",
    "CLERK_ACCOUNT_PORTAL_URL",
    "SVIX_API_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SENTRY_ISSUES_URL",
    "STATIC_CDN_URL",
    "MEDIA_URL",
)
#: The host of all buckets without S3_ENDPOINT_URL.
AWS = "amazonaws.com"


def keep() -> None:
    """Do not redact these names in error messages."""
    databases = settings.DATABASES.values()
    quoted_names.keep_names(
        str(database[name]) for database in databases for name in ("NAME", "USER") if database[name]
    )
    folders = [str(settings.MEDIA_ROOT), str(settings.STATIC_ROOT)]
    quoted_names.keep_places(_hosts(), folders, apis=[urlsplit(settings.CLERK_API_URL).hostname or ""])


def _hosts() -> Iterator[str]:
    for name in URLS:
        yield urlsplit(getattr(settings, name)).hostname or ""
    for database in settings.DATABASES.values():
        yield from database["HOST"].split(",")
    mailers: dict[str, Any] = settings.MAILERS
    for mailer in mailers.values():
        yield mailer.get("OPTIONS", {}).get("host", "")
    storage: dict[str, Any] = settings.STORAGES["default"].get("OPTIONS", {})
    yield (urlsplit(storage["endpoint_url"] or "").hostname or AWS) if "endpoint_url" in storage else ""
