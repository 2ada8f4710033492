"""Limit expensive requests: writes, messages, exports, searches, uploads and the API.

The limits are far above normal use. They apply to each person and to each network, which many people can share.
"""

import ipaddress
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from accounts.clerk.authentication import SignedIn
from accounts.http import json_error
from accounts.security.request_counts import Limit, request_counter
from core.client_ip import client_network

MINUTE, HOUR = 60, 3600
#: Internal networks. If TRUSTED_PROXY_COUNT does not include a proxy, all its requests appear to come from one internal
#: address. Limiting that address would block all users.
INTERNAL = [ipaddress.ip_network(text) for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
INTERNAL += [ipaddress.ip_network(text) for text in ("169.254.0.0/16", "100.64.0.0/10", "::1", "fc00::/7", "fe80::/10")]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class Rule:
    """Limits for one kind of request. Without a `person` limit, requests are only counted per network."""

    network: Limit
    person: Limit | None = None


WRITE = Rule(Limit("write network", 600, MINUTE, batch=30), Limit("write", 120, MINUTE, batch=10))
API = Rule(Limit("api network", 1200, MINUTE, batch=60), Limit("api", 600, MINUTE, batch=30))
SEARCH = Rule(Limit("search network", 300, MINUTE, batch=20), Limit("search", 120, MINUTE, batch=10))
#: Previews are requested while the user types, and must not use up the limit for saving.
PREVIEW = Rule(Limit("preview network", 600, MINUTE, batch=30), Limit("preview", 120, MINUTE, batch=10))
CARD = Rule(Limit("card network", 120, MINUTE, batch=10))
SITEMAP = Rule(Limit("sitemap network", 120, MINUTE, batch=10))
UPLOAD = Rule(Limit("upload network", 300, HOUR, batch=5), Limit("upload", 60, HOUR, batch=2))
CONTACT = Rule(Limit("contact network", 60, HOUR), Limit("contact", 30, HOUR))
EXPORT = Rule(Limit("export network", 120, HOUR), Limit("export", 20, HOUR))
PASSWORD = Rule(Limit("password network", 30, MINUTE))


def rules_for(request: HttpRequest) -> Iterator[Rule]:
    """Yield the rules for a request. No rules apply to webhooks and to reading pages."""
    path, is_write = request.path_info, request.method not in SAFE_METHODS
    if path.startswith("/api/webhooks/"):
        return
    if path.startswith("/api/"):
        yield API
    elif path == "/builders/" and request.META.get("QUERY_STRING"):
        yield SEARCH
    elif path.endswith("/card.png"):
        yield CARD
    elif path.startswith("/sitemap"):
        yield SITEMAP
    elif path.startswith("/account/exports/"):
        yield EXPORT
    if is_write and path.startswith("/builders/") and path.endswith("/preview/"):
        yield PREVIEW
    elif is_write:
        yield WRITE
        yield from _rules_for_write(request, path)


def _rules_for_write(request: HttpRequest, path: str) -> Iterator[Rule]:
    if path.startswith("/builders/") and path.endswith("/contact/"):
        yield CONTACT
    if path.startswith("/admin/login"):
        yield PASSWORD
    if request.META.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
        yield UPLOAD


def limit_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Return 429 for requests above a limit, before reading the body."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.REQUEST_LIMITS and (wait_s := max(map(math.ceil, _waits(request)), default=0)):
            return _too_many_requests(request, wait_s)
        return get_response(request)

    return middleware


def _waits(request: HttpRequest) -> Iterator[float]:
    """Yield the waiting time in seconds for each limit."""
    state = getattr(request, "clerk", None)
    person = state.claims.clerk_id if isinstance(state, SignedIn) else None
    for rule in rules_for(request):
        if person and rule.person:
            yield request_counter.wait_s(rule.person, person)
        if network := _external_network(request):
            yield request_counter.wait_s(rule.network, network)


def _external_network(request: HttpRequest) -> str | None:
    """Return the client's network, or None if its address is unknown or internal."""
    network = client_network(request)
    if network is None or any(ipaddress.ip_address(network) in internal for internal in INTERNAL):
        return None
    return network


def _too_many_requests(request: HttpRequest, wait_s: int) -> HttpResponse:
    if request.path.startswith("/api/"):
        message = f"Too many requests. Try again in {wait_s} {'second' if wait_s == 1 else 'seconds'}."
        response: HttpResponse = json_error(429, "too_many_requests", message)
    else:
        minutes = math.ceil(wait_s / 60)
        response = render(request, "429.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(wait_s)
    add_never_cache_headers(response)
    return response
