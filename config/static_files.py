"""The storage of static files."""

from functools import cache

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage


class CachedUrlStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Computes the URL of each file once, because a builder's page contains about 30 of them.

    The manifest is read when the process starts, so the URLs cannot change. With DEBUG, files change.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._cached_url = cache(super().url)

    def url(self, name: str, force: bool = False) -> str:  # noqa: FBT001, FBT002  # Django's signature
        return str(super().url(name, force) if settings.DEBUG or force else self._cached_url(name))
