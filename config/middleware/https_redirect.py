"""Detect HTTPS redirect loops.

A proxy that terminates TLS forwards requests as HTTP. If TRUSTED_PROXY_SSL_HEADER does not match the proxy's header,
every page redirects to itself.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers

log = logging.getLogger(__name__)

#: Browsers store and send a cookie with this prefix only over HTTPS. A request with this cookie was therefore sent over
#: HTTPS.
COOKIE, COOKIE_AGE_S = "__Secure-https-redirect", 60
#: Headers that proxies use to mark HTTPS requests. They are quoted in the log as evidence.
PROXY_HEADERS = (
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Scheme",
    "Front-End-Https",
    "Forwarded",
)
MAX_QUOTED = 60
LOG_INTERVAL_S = 60.0
LOOP_TEXT = """\
This page redirects to itself, because the server cannot detect that this request used HTTPS.

If you operate this site, set TRUSTED_PROXY_SSL_HEADER to the header that your proxy adds to HTTPS requests, for example
X-Forwarded-Proto: https
"""


def detect_loops(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return 500 with an explanation if Django's SecurityMiddleware would redirect endlessly."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not _is_https_redirect(request, response):
            return response
        if COOKIE in request.COOKIES:
            _log_loop(request)
            response = HttpResponse(LOOP_TEXT, status=500, content_type="text/plain; charset=utf-8")
            response["X-Content-Type-Options"] = "nosniff"
        else:
            response.set_cookie(COOKIE, "1", max_age=COOKIE_AGE_S, secure=True, httponly=True, samesite="Lax")
        # Otherwise, browsers would still use a cached redirect after the setting is corrected.
        add_never_cache_headers(response)
        return response

    return middleware


def _is_https_redirect(request: HttpRequest, response: HttpResponse) -> bool:
    is_redirect = response.status_code == 301 and response["Location"].startswith("https://")
    return is_redirect and settings.SECURE_SSL_REDIRECT and not request.is_secure()


class _Interval:
    """Limit an action to once per interval, because a client can send the cookie any number of times."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.next_at, self._lock = seconds, 0.0, threading.Lock()

    def is_due(self) -> bool:
        with self._lock:
            if time.monotonic() < self.next_at:
                return False
            self.next_at = time.monotonic() + self.seconds
            return True


_interval = _Interval(LOG_INTERVAL_S)


def _log_loop(request: HttpRequest) -> None:
    if _interval.is_due():
        log.error(
            "A request that was redirected to HTTPS arrived again over HTTP. Set TRUSTED_PROXY_SSL_HEADER to the header that "
            "your proxy adds to HTTPS requests. It is %s, and the request has %s.",
            _configured(),
            _evidence(request) or "none of the usual headers, so the proxy must be configured to send one",
        )


def _configured() -> str:
    header = settings.SECURE_PROXY_SSL_HEADER
    return f"{header[0].removeprefix('HTTP_').replace('_', '-').title()}: {header[1]}" if header else "not set"


def _evidence(request: HttpRequest) -> str:
    found = [(name, request.headers[name][:MAX_QUOTED]) for name in PROXY_HEADERS if name in request.headers]
    return ", ".join(f"{name}: {value!r}" for name, value in found)
