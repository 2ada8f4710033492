"""Uploaded pictures, where no proxy and no object store serves them."""

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.http import require_safe

YEAR_S = 365 * 24 * 3600


@require_safe
def picture(request: HttpRequest, name: str) -> FileResponse:
    """Show a picture of ours; the pattern of the address lets no other name through.

    Should one ever be opened as a page of its own, it can do nothing there.
    """
    try:
        file = default_storage.open(name)
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(file, content_type="image/webp")
    response["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
