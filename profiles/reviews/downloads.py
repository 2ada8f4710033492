"""Send files of review requests. Browsers save them instead of displaying them."""

from django.http import HttpResponse
from django.utils.cache import add_never_cache_headers
from django.utils.http import content_disposition_header

from profiles.models import ReviewFile


def download(file: ReviewFile) -> HttpResponse:
    response = HttpResponse(bytes(file.content), content_type=file.kind)
    response["Content-Disposition"] = content_disposition_header(True, file.name) or "attachment"  # noqa: FBT003
    # For browsers that display the file anyway.
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    add_never_cache_headers(response)
    return response
