"""System checks of hosts, proxies and HTTPS. Ids are never reused."""

from typing import Any

from django.conf import settings
from django.core import checks

#: Required by hstspreload.org.
MIN_PRELOAD_S = 365 * 24 * 3600


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
