"""Serve uploaded images where no proxy or object store does."""

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.http import require_safe

YEAR_S = 365 * 24 * 3600


@require_safe
def image(request: HttpRequest, name: str) -> FileResponse:
    """Serve a stored image. The URL pattern allows only names that `profiles.media.images` gives.

    The Content-Security-Policy makes a file harmless if it is opened as a page.
    """
    try:
        file = default_storage.open(name)
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(file, content_type="image/webp")
    response["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
