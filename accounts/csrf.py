"""Changes that come without a CSRF token that is believed."""

from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure

from accounts.http import json_error, json_unauthenticated


def failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse it, in the way that whoever asks understands."""
    if not request.path.startswith("/api/"):
        return csrf_failure(request, reason)
    if not request.user.is_authenticated:
        return json_unauthenticated(request)
    return json_error(403, "csrf_failed", "Send a Bearer token, or the CSRF token as X-CSRFToken beside the cookies.")
