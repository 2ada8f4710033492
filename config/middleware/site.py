"""Site-wide middleware: browser policies, compression, flag cookies and database outages."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from waffle.middleware import WaffleMiddleware
from waffle.utils import get_setting

from accounts.http import json_error
from accounts.middleware import is_in_admin
from core.db.locked_tables import tables_behind
from core.db.outages import is_outage
from core.storage_errors import StorageUnavailableError

log = logging.getLogger(__name__)

#: Browser features that no page needs. https://www.w3.org/TR/permissions-policy/
UNUSED_FEATURES = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
)
PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in (*UNUSED_FEATURES, "midi", "payment", "usb"))


#: Other sites cannot embed our files, so that they cannot read them from a process that they share with us (Spectre).
RESOURCE_POLICY = "same-origin"
#: Other sites show this image in link previews.
SHARE_IMAGE = f"{settings.STATIC_URL}img/share."


def browser_policies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    for_other_origins = (SHARE_IMAGE, *_paths_of_cdns())

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        policy = "cross-origin" if request.path.startswith(for_other_origins) else RESOURCE_POLICY
        response.headers.setdefault("Cross-Origin-Resource-Policy", policy)
        return response

    return middleware


def _paths_of_cdns() -> list[str]:
    """Return the paths whose files a CDN serves with the headers of this site. Pages load them from another origin."""
    static = [settings.STATIC_URL] if settings.STATIC_CDN_URL else []
    return [*static, *(["/media/"] if settings.MEDIA_URL.startswith("https:") else [])]


class AnonymousGZipMiddleware(GZipMiddleware):
    """Compress HTML pages for visitors, because transfer time dominates page loads on mobile networks.

    Pages for signed-in users are not compressed, because a compressed page's length can reveal its secrets (BREACH).
    API responses are not compressed, because compression weakens strong ETags and If-Match would then never match.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page and not _has_session(request) else response


def _has_session(request: HttpRequest) -> bool:
    """Return whether a request contains a session, which may be invalid. No query is needed."""
    names = ("__session", settings.SESSION_COOKIE_NAME)
    return "Authorization" in request.headers or any(name.startswith(names) for name in request.COOKIES)


class FlagCookiesMiddleware(WaffleMiddleware):
    """Set HttpOnly and SameSite on waffle's cookies, which store whether a flag is on for a visitor."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        for flag in getattr(request, "waffles", ()):
            response.cookies[get_setting("COOKIE") % flag] |= {"httponly": True, "samesite": "Lax"}
        if response.cookies and "public" in response.get("Cache-Control", ""):
            # A shared cache would give the cookie to every visitor.
            del response["ETag"]
            response["Cache-Control"] = "private, no-cache"
        return response


class DatabaseUnavailableMiddleware:
    """Return 503 instead of 500 while the database is unreachable or overloaded, so that clients retry later.

    This middleware handles exceptions in views. `config.views.server_error` handles exceptions in other middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, StorageUnavailableError):
            return service_unavailable(request, exception, service="Image storage")
        return service_unavailable(request, exception) if is_outage(exception) else None


def service_unavailable(request: HttpRequest, error: BaseException, *, service: str = "Database") -> HttpResponse:
    """Return a JSON or HTML 503 response for an error of the database, or of another service that is unavailable."""
    log.error(
        "%s unavailable for %s: %s", service, request.path, error, extra={"cause": f"{service.lower()} unavailable"}
    )
    if request.path.startswith("/api/"):
        response: HttpResponse = json_error(
            503, "unavailable", "The service is temporarily unavailable. Try again in a few seconds."
        )
    else:
        response = _unavailable_page(request, error)
    response["Retry-After"] = "5"
    add_never_cache_headers(response)
    return response


def _unavailable_page(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Render the page. In the admin, the page names the locked tables, so that operators can find the cause."""
    if not is_in_admin(request):
        return render(request, "503.html", status=503)
    return render(request, "admin/unavailable.html", {"locked": tables_behind(error)}, status=503)
