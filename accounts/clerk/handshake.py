"""The way to Clerk and back that gives a page load a fresh token. https://clerk.com/docs/guides/how-clerk-works/overview

The browser is sent to the Frontend API, which knows it by a cookie of its own, and comes back with a token that carries the
cookies to set: in the address for development instances, in a cookie of the common domain for production ones.
"""

import logging
import re
from http.cookies import CookieError, Morsel
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.cache import add_never_cache_headers

from accounts.clerk import cookies, tokens
from accounts.clerk.authentication import HandshakeReason
from accounts.clerk.cookies import ClerkCookies
from accounts.clerk.instance import Instance

log = logging.getLogger(__name__)

#: After so many handshakes within two seconds another one would not help either.
MOST_HANDSHAKES = 3
LOOP_WINDOW_S = 2
#: Whatever a handshake may set, with or without the suffix of an instance; nothing else is passed on.
ALLOWED = re.compile(
    r"(__session|__client_uat|__refresh|__clerk_db_jwt|__clerk_handshake(_nonce)?)(_[A-Za-z0-9_-]{8})?"
)
#: Parameters of Clerk's that must not stay in an address.
PARAMETERS = (cookies.HANDSHAKE, cookies.HANDSHAKE_NONCE, cookies.DEV_BROWSER, "__clerk_help")


class Redirect307(HttpResponseRedirect):
    """A temporary redirect, as Clerk's own libraries send."""

    status_code = 307


def is_eligible(request: HttpRequest) -> bool:
    """Return whether `request` is for a whole page, which a browser can fetch by way of Clerk."""
    if request.method != "GET":
        return False
    destination = request.headers.get("Sec-Fetch-Dest")
    if destination:
        return destination in ("document", "iframe")
    return request.headers.get("Accept", "").startswith("text/html")


def is_loop(found: ClerkCookies) -> bool:
    """Return whether the browser has been sent to Clerk too often just now."""
    return found.redirect_count >= MOST_HANDSHAKES


def redirect_to_clerk(
    request: HttpRequest, reason: HandshakeReason, found: ClerkCookies, instance: Instance
) -> HttpResponse:
    """Return the redirect that starts a handshake."""
    query = {
        "redirect_url": clean_url(request),
        "suffixed_cookies": str(found.uses_suffixed).lower(),
        "__clerk_hs_reason": reason.value,
    }
    dev_browser = request.GET.get(cookies.DEV_BROWSER) or found.dev_browser
    if instance.is_development and dev_browser:
        query[cookies.DEV_BROWSER] = dev_browser
    # Without `format` the payload is a signed token, which needs no call to verify.
    response = Redirect307(f"{instance.frontend_api_url}/v1/client/handshake?{urlencode(query)}")
    response.set_cookie(
        cookies.REDIRECT_COUNT, str(found.redirect_count + 1), max_age=LOOP_WINDOW_S, httponly=True, samesite="Lax"
    )
    add_never_cache_headers(response)
    return response


def returned_token(request: HttpRequest, found: ClerkCookies, instance: Instance) -> str:
    """Return the handshake token that `request` brings back, or "".

    In the address only a development instance sends it: whoever could make people open a link could otherwise sign
    them in as somebody else.
    """
    if instance.is_development:
        return request.GET.get(cookies.HANDSHAKE, "")
    return found.handshake


def payload(token: str) -> list[Morsel[str]] | None:
    """Return the cookies that a handshake token carries; None if it is not one of ours."""
    try:
        claims = tokens.verify_signed(token)
    except tokens.SessionTokenError as error:
        log.warning("A handshake was refused: %s", error.reason)
        return None
    directives = claims.get("handshake")
    if not isinstance(directives, list):
        log.warning("A handshake was refused: it carries no cookies.")
        return None
    found = [_morsel(directive) for directive in directives if isinstance(directive, str)]
    return [morsel for morsel in found if morsel is not None]


def session_token(morsels: list[Morsel[str]]) -> str:
    """Return the new session token, or "" if the person is signed out."""
    return next((m.value for m in reversed(morsels) if m.key.startswith(cookies.SESSION) and m.value), "")


def set_cookies(response: HttpResponse, morsels: list[Morsel[str]]) -> None:
    """Set the cookies on `response`, several of one name included: Clerk clears a cookie of each domain it may be on."""
    for number, morsel in enumerate(morsels):
        # Django sends each value under the name that the morsel itself has.
        dict.__setitem__(response.cookies, f"{morsel.key}#{number}", morsel)


def clean_url(request: HttpRequest) -> str:
    """Return the address of `request` without what Clerk added to it."""
    parts = urlsplit(request.build_absolute_uri())
    query = QueryDict(parts.query, mutable=True)
    if not any(name in query for name in PARAMETERS):
        return urlunsplit(parts)
    for name in PARAMETERS:
        query.pop(name, None)
    return urlunsplit(parts._replace(query=query.urlencode()))


def _morsel(directive: str) -> Morsel[str] | None:
    """Return the cookie that a Set-Cookie line describes; None if it is not Clerk's, or malformed."""
    pair, *attributes = directive.split(";")
    name, _, value = pair.strip().partition("=")
    if not ALLOWED.fullmatch(name) or not value.isprintable() or not value.isascii():
        log.warning("A handshake tried to set the cookie %r, which is not Clerk's.", name[:50])
        return None
    morsel: Morsel[str] = Morsel()
    try:
        morsel.set(name, value, value)
        for attribute in attributes:
            key, _, setting = attribute.strip().partition("=")
            if morsel.isReservedKey(key) and setting.isprintable():
                morsel[key] = setting or True
    except CookieError:
        return None
    return morsel
