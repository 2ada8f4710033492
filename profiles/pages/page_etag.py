"""Compute the ETag of a builder's page for visitors. It depends on the row versions and on any time shown on the page."""

import time
from datetime import date, datetime
from typing import Any

from accounts.public_pages import etag_of
from core.db.compiled import compile_query
from core.text import postgres_safe
from profiles.models import BuilderProfile
from profiles.models.versions import PAGE_VERSION

_COLUMNS = ("page_version", "time_zone", "availability_confirmed_at", "available_from")
_find = compile_query(
    lambda slug: (
        BuilderProfile.objects.published().filter(slug=slug).annotate(page_version=PAGE_VERSION).values_list(*_COLUMNS)
    ),
    "slug",
)


def current_etag(slug: str) -> str:
    """Return the current ETag of a public page, or "" if no public page has this slug."""
    rows = _find(postgres_safe(slug))
    return _etag(*rows[0]) if rows else ""


def current_version(slug: str) -> str:
    """Return the current `PAGE_VERSION` of a public page, or "" if no public page has this slug."""
    rows = _find(postgres_safe(slug))
    return str(rows[0][0]) if rows else ""


def etag_for(profile: BuilderProfile) -> str:
    """Return the ETag for `profile`, which must be annotated with `PAGE_VERSION` as `page_version`."""
    return _etag(*(getattr(profile, name) for name in _COLUMNS))


def displayed_minute(time_zone: str, confirmed_at: datetime | None, available_from: date | None) -> int:
    """Return the current minute if the page shows a clock time, relative time or start date, otherwise 0."""
    return int(time.time() // 60) if time_zone or confirmed_at or available_from else 0


def _etag(version: str, *shown: Any) -> str:
    return etag_of(version, displayed_minute(*shown))
