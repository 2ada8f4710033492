"""Caching and replica reads of pages that are the same for every visitor. RFC 9111

A CDN or proxy may serve such a page for a few seconds, and then revalidates it. Browsers revalidate each time.
"""

import hashlib
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, Concatenate

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.translation import get_language

from accounts.clerk.authentication import NO_TOKEN, SignedOut
from core.db.replica import read_from_replica

#: Seconds for which a shared cache may serve a page without revalidating it. A hidden page can remain visible for this
#: long.
SHARED_MAX_AGE_S = 5
SAFE_METHODS = ("GET", "HEAD")
MESSAGES_COOKIE = "messages"
#: Set if the visitor has chosen a currency for rates, so pages differ by visitor.
CURRENCY_COOKIE = "currency"


def is_for_every_visitor(request: HttpRequest) -> bool:
    """Return whether the response to `request` is the same for every visitor: no session, message or currency."""
    is_personal = _has_session(request) or MESSAGES_COOKIE in request.COOKIES or CURRENCY_COOKIE in request.COOKIES
    return not is_personal and not settings.DEBUG


def from_replica[**P](view: Callable[Concatenate[Any, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Read a public page from the replica for visitors. Users with a session read from the primary, to see their changes.

    The view must only read, because it is called a second time with the primary if the replica fails.
    """

    @wraps(view)
    def wrapper(request: Any, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        is_signed_in = _has_session(request) or settings.SESSION_COOKIE_NAME in request.COOKIES
        if request.method not in SAFE_METHODS or is_signed_in:
            return view(request, *args, **kwargs)
        return read_from_replica(lambda: view(request, *args, **kwargs))

    return wrapper


def _has_session(request: HttpRequest) -> bool:
    state = getattr(request, "clerk", None)
    return not isinstance(state, SignedOut) or state.reason != NO_TOKEN


def etag_of(*parts: object) -> str:
    """Return the ETag of a page that depends on `parts`, the language and the deployed code.

    The ETag is weak, because compression changes the bytes.
    """
    return f'W/"{hashlib.sha256(repr((_build(), get_language(), *parts)).encode()).hexdigest()[:32]}"'


def unchanged_response(request: HttpRequest, etag: str) -> HttpResponse | None:
    """Return a 304 response if the client already has the page with this ETag, otherwise None."""
    response = get_conditional_response(request, etag=etag)
    return share(response, etag) if isinstance(response, HttpResponse) else None


def share_by_content(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Share a page, using a content digest as its ETag. Revalidation saves only the transfer, not the rendering."""
    etag = etag_of(hashlib.sha256(response.content).hexdigest())
    return unchanged_response(request, etag) or share(response, etag)


def share(response: HttpResponse, etag: str) -> HttpResponse:
    """Allow shared caches to store a page. Call this only if `is_for_every_visitor()` is true."""
    response["ETag"] = etag
    patch_vary_headers(response, ["Accept-Encoding"])  # the compression middleware skips responses without a body
    patch_cache_control(response, public=True, max_age=0, s_maxage=SHARED_MAX_AGE_S, must_revalidate=True)
    return response


@cache
def _build() -> str:
    """Return a digest of the code version, the templates and the static file names."""
    digest = hashlib.sha256(f"{settings.VERSION} {getattr(staticfiles_storage, 'manifest_hash', '')}".encode())
    for path in sorted(Path(settings.TEMPLATES[0]["DIRS"][0]).rglob("*.html")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
