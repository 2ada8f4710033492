"""Measurements of this site's own records and its disk."""

import shutil
from datetime import datetime
from typing import Any

from django.conf import settings

from webhooks.models import CheckResult
from webhooks.monitoring import rejections
from webhooks.monitoring.notifications import failures


def read_own_records(now: datetime) -> dict[str, Any]:
    return {
        "failing_channels": failures.failing_channels(),
        "checks": CheckResult.objects.in_bulk(),
        "rejections": rejections.read(now),
    }


def has_object_store() -> bool:
    """Return whether uploaded images are stored in an object store, and not on a disk."""
    return bool(settings.STORAGES["default"]["BACKEND"] == "core.object_store.ObjectStore")


def media_free() -> tuple[int, int] | None:
    try:
        usage = shutil.disk_usage(settings.MEDIA_ROOT)
    except OSError:
        return None
    return usage.free, usage.total
