"""The ETag of a builder's page for visitors. It depends on the version of the rows and on the time that the page shows."""

import time
from datetime import datetime

from accounts.public_pages import etag_of
from core.db.compiled import compile_query
from core.text import postgres_safe
from profiles.models import BuilderProfile
from profiles.models.versions import PAGE_VERSION

_COLUMNS = ("page_version", "time_zone", "availability_confirmed_at")
_find = compile_query(
    lambda slug: (
        BuilderProfile.objects.published().filter(slug=slug).annotate(page_version=PAGE_VERSION).values_list(*_COLUMNS)
    )
)


def current(slug: str) -> str:
    """Return the ETag of a public page as it is now, or "" if there is no public page with this slug."""
    row = _find(postgres_safe(slug))
    return _etag(*row) if row else ""


def of(profile: BuilderProfile) -> str:
    """Return the ETag of the page of `profile`, which has `PAGE_VERSION` as its annotation `page_version`."""
    return _etag(*(getattr(profile, name) for name in _COLUMNS))


def minute(time_zone: str, confirmed_at: datetime | None) -> int:
    """Return the current minute if the page shows a time or how long ago something was, or else 0."""
    return int(time.time() // 60) if time_zone or confirmed_at else 0


def _etag(version: str, time_zone: str, confirmed_at: datetime | None) -> str:
    return etag_of(version, minute(time_zone, confirmed_at))
