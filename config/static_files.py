"""Static file storage."""

from functools import cache

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage

#: Files that a CDN can serve. Browsers load symbols of an SVG file (<use>) only from the page's own origin, and link previews
#: show an image of the site.
CDN_SUFFIXES = (".css", ".js", ".woff2")


class CachedUrlStorage(CompressedManifestStaticFilesStorage):
    """Cache each file's URL, because a builder page contains about 30 static file URLs. Add the CDN to the URLs.

    URLs cannot change while the process runs, because the manifest is read at startup. With DEBUG, files can change, so
    URLs are not cached.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._cached_url = cache(self._public_url)

    def url(self, name: str, force: bool = False) -> str:  # noqa: FBT001, FBT002  # Django's signature
        return str(super().url(name, force) if settings.DEBUG or force else self._cached_url(name))

    def _public_url(self, name: str) -> str:
        url = str(super().url(name))
        return settings.STATIC_CDN_URL + url if name.endswith(CDN_SUFFIXES) else url
