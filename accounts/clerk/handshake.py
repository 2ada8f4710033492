"""The handshake: a redirect to Clerk and back that renews an expired session token during a page load.

The browser is redirected to Clerk's Frontend API, which recognizes it by a Clerk cookie and redirects it back with a
handshake token. The handshake token lists the cookies to set. A development instance passes the token in the URL, and a
production instance passes it in a cookie on the shared domain. https://clerk.com/docs/guides/how-clerk-works/overview
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

#: Number of handshakes within LOOP_WINDOW_S that indicates a redirect loop.
MAX_HANDSHAKES = 3
LOOP_WINDOW_S = 2
#: Cookies that a handshake may set, with or without an instance suffix. Other cookies are ignored.
ALLOWED_COOKIES = re.compile(
    r"(__session|__client_uat|__refresh|__clerk_db_jwt|__clerk_handshake(_nonce)?)(_[A-Za-z0-9_-]{8})?"
)
#: Clerk's query parameters, which are removed from URLs.
PARAMETERS = (cookies.HANDSHAKE, cookies.HANDSHAKE_NONCE, cookies.DEV_BROWSER, "__clerk_help")


def is_eligible(request: HttpRequest) -> bool:
    """Return whether `request` is a page load in a browser. Other requests cannot follow a redirect through Clerk."""
    if request.method != "GET":
        return False
    destination = request.headers.get("Sec-Fetch-Dest")
    if destination:
        return destination in ("document", "iframe")
    return request.headers.get("Accept", "").startswith("text/html")


def is_loop(found: ClerkCookies) -> bool:
    return found.redirect_count >= MAX_HANDSHAKES


def redirect_to_clerk(
    request: HttpRequest, reason: HandshakeReason, found: ClerkCookies, instance: Instance
) -> HttpResponse:
    query = {
        "redirect_url": clean_url(request),
        "suffixed_cookies": str(found.uses_suffixed).lower(),
        "__clerk_hs_reason": reason.value,
    }
    dev_browser = request.GET.get(cookies.DEV_BROWSER) or found.dev_browser
    if instance.is_development and dev_browser:
        query[cookies.DEV_BROWSER] = dev_browser
    # Omit the `format` parameter, so that Clerk returns a signed token that can be verified without another request.
    url = f"{instance.frontend_api_url}/v1/client/handshake?{urlencode(query)}"
    # Clerk's libraries also return 307.
    response = HttpResponseRedirect(url, preserve_request=True)
    count_redirects(response, found.redirect_count + 1)
    add_never_cache_headers(response)
    return response


def count_redirects(response: HttpResponse, count: int, *, max_age_s: int = LOOP_WINDOW_S) -> None:
    response.set_cookie(cookies.REDIRECT_COUNT, str(count), max_age=max_age_s, httponly=True, samesite="Lax")


def returned_token(request: HttpRequest, found: ClerkCookies, instance: Instance) -> str:
    """Return the handshake token of a request that returns from Clerk, otherwise "".

    The token is read from the URL for development instances only. Otherwise, an attacker's link could sign a victim in
    to the attacker's account.
    """
    if instance.is_development:
        return request.GET.get(cookies.HANDSHAKE, "")
    return found.handshake


def parse_token(token: str) -> list[Morsel[str]] | None:
    """Return the cookies listed in a handshake token, or None if our instance did not sign it."""
    try:
        claims = tokens.verify_signed(token)
    except tokens.SessionTokenError as error:
        log.warning("Rejected a handshake token: %s", error.reason, extra={"cause": "handshake token"})
        return None
    directives = claims.get("handshake")
    if not isinstance(directives, list):
        log.warning("Rejected a handshake token: it lists no cookies")
        return None
    found = [_morsel(directive) for directive in directives if isinstance(directive, str)]
    return [morsel for morsel in found if morsel is not None]


def session_token(morsels: list[Morsel[str]]) -> str:
    return next((m.value for m in reversed(morsels) if m.key.startswith(cookies.SESSION) and m.value), "")


def set_cookies(response: HttpResponse, morsels: list[Morsel[str]]) -> None:
    """Set the cookies on `response`.

    A name can be repeated, because Clerk clears the cookie on each possible domain.
    """
    for number, morsel in enumerate(morsels):
        # Django writes the morsel's name instead of the key, so use unique keys to keep all cookies.
        dict.__setitem__(response.cookies, f"{morsel.key}#{number}", morsel)


def clean_url(request: HttpRequest) -> str:
    parts = urlsplit(request.build_absolute_uri())
    query = QueryDict(parts.query, mutable=True)
    if not any(name in query for name in PARAMETERS):
        return urlunsplit(parts)
    for name in PARAMETERS:
        query.pop(name, None)
    return urlunsplit(parts._replace(query=query.urlencode()))


def _morsel(directive: str) -> Morsel[str] | None:
    """Parse a Set-Cookie line. Return None if the cookie is malformed or is not a Clerk cookie."""
    pair, *attributes = directive.split(";")
    name, _, value = pair.strip().partition("=")
    if not ALLOWED_COOKIES.fullmatch(name) or not value.isprintable() or not value.isascii():
        log.warning("Ignored the cookie %r in a handshake token: it is not one of Clerk's", name[:50])
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
