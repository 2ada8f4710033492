"""Static file storage."""

from functools import cache

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage


class CachedUrlStorage(CompressedManifestStaticFilesStorage):
    """Cache each file's URL, because a builder page contains about 30 static file URLs.

    URLs cannot change while the process runs, because the manifest is read at startup. With DEBUG, files can change, so
    URLs are not cached.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._cached_url = cache(super().url)

    def url(self, name: str, force: bool = False) -> str:  # noqa: FBT001, FBT002  # Django's signature
        return str(super().url(name, force) if settings.DEBUG or force else self._cached_url(name))
