"""What every response needs that Django does not bring."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from waffle.middleware import WaffleMiddleware
from waffle.utils import get_setting

from accounts.http import json_error

log = logging.getLogger(__name__)

#: What is raised while the database cannot be reached or is too busy.
DATABASE_UNAVAILABLE = (OperationalError, InterfaceError)

#: Powerful features no page of ours uses. https://www.w3.org/TR/permissions-policy/
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


def permissions_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse powerful browser features to every page and whatever it embeds."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response

    return middleware


class AnonymousGZipMiddleware(GZipMiddleware):
    """Compress the pages of visitors, on whose way to a telephone most of the time would go.

    Pages of people who are signed in stay as they are: the length of a compressed page tells of secrets on it (BREACH).
    Answers of the API stay as they are, too: compressing would weaken their strong ETags, and If-Match would never hold.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Called by Django with every answer."""
        is_page = response.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page and not _is_somebody(request) else response


def _is_somebody(request: HttpRequest) -> bool:
    """Return whether a request comes with a session, be it a good one or not; nothing is looked up for it."""
    ours = ("__session", settings.SESSION_COOKIE_NAME)
    return "Authorization" in request.headers or any(name.startswith(ours) for name in request.COOKIES)


class FlagCookiesMiddleware(WaffleMiddleware):
    """Keep the lots that visitors drew for a flag, out of reach of scripts and of other sites."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Called by Django with every answer."""
        response = super().process_response(request, response)
        for flag in getattr(request, "waffles", ()):
            response.cookies[get_setting("COOKIE") % flag] |= {"httponly": True, "samesite": "Lax"}
        return response


class DatabaseUnavailableMiddleware:
    """Answer 503 while the database cannot be reached or is too busy, instead of 500.

    A load balancer, a crawler and a person all take 503 for what it is: come back soon. What other middleware raises does
    not come by here; `config.views.server_error` has it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called by Django with whatever a view raised."""
        return service_unavailable(request, exception) if isinstance(exception, DATABASE_UNAVAILABLE) else None


def service_unavailable(request: HttpRequest, error: BaseException) -> HttpResponse:
    """Answer 503 in the way that whoever asks understands, because of an error that is one of `DATABASE_UNAVAILABLE`."""
    log.error("The database could not answer for %s: %s", request.path, error)
    if request.path.startswith("/api/"):
        response: HttpResponse = json_error(
            503, "unavailable", "This cannot be answered just now. Ask again in a while."
        )
    else:
        response = render(request, "503.html", status=503)
    response["Retry-After"] = "5"
    add_never_cache_headers(response)
    return response
