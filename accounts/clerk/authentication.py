"""Decide whether a request is signed in, signed out, or should be redirected to Clerk for a fresh token.

This is the decision table of @clerk/backend 3.25 (request.ts) for a site that renders its own pages, accepts cookies or
a Bearer header, and has no satellite domains. Session tokens are valid for one minute, so the first page load after a
pause often has an expired token. A redirect to Clerk, called the handshake, renews the token without any action by the
user.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest

from accounts.clerk import cookies, tokens
from accounts.clerk.cookies import ClerkCookies
from accounts.clerk.instance import Instance
from accounts.clerk.tokens import SessionClaims, SessionTokenError


class HandshakeReason(StrEnum):
    """The reason for redirecting a browser to Clerk. Clerk defines the values, which are sent in the URL."""

    DEV_BROWSER_SYNC = "dev-browser-sync"
    DEV_BROWSER_MISSING = "dev-browser-missing"
    SESSION_WITHOUT_UAT = "session-token-but-no-client-uat"
    UAT_WITHOUT_SESSION = "client-uat-but-no-session-token"
    OLDER_THAN_UAT = "session-token-iat-before-client-uat"
    EXPIRED = "session-token-expired"
    NOT_YET_VALID = "session-token-not-active-yet"
    FROM_THE_FUTURE = "session-token-iat-in-the-future"
    #: Not a value of @clerk/backend, which rejects these tokens. https://github.com/clerk/javascript/pull/7332 proposes it.
    NO_PARTY = "session-token-missing-azp"


#: Token errors that can be fixed by a fresh token.
RENEWABLE = {
    tokens.Reason.EXPIRED: HandshakeReason.EXPIRED,
    tokens.Reason.NOT_YET_VALID: HandshakeReason.NOT_YET_VALID,
    tokens.Reason.FROM_THE_FUTURE: HandshakeReason.FROM_THE_FUTURE,
    tokens.Reason.NO_PARTY: HandshakeReason.NO_PARTY,
}
#: A fresh token would not help, because this browser has no session in Clerk yet.
DEV_BROWSER_REASONS = frozenset({HandshakeReason.DEV_BROWSER_SYNC, HandshakeReason.DEV_BROWSER_MISSING})
NO_TOKEN = "no_session_token"  # noqa: S105  # a reason, not a secret


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The request has a valid session token."""

    claims: SessionClaims


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The request has no valid session token.

    Attributes:
        reason: an error code for logs and API clients.
        expired_claims: the token's claims, if its only problem is that it has expired or does not name a site.
    """

    reason: str
    expired_claims: SessionClaims | None = None


@dataclass(frozen=True, slots=True)
class NeedsHandshake:
    """Clerk may issue a fresh token if the browser can be redirected there.

    Attributes:
        expired_claims: the token's claims, if its only problem is that it has expired or does not name a site.
    """

    reason: HandshakeReason
    expired_claims: SessionClaims | None = None


type State = SignedIn | SignedOut | NeedsHandshake


def claims_even_if_expired(request: HttpRequest) -> SessionClaims | None:
    """Return a signed token's claims, even if it expired recently, names no site, or belongs to an ended session.

    Use this only to return a user's own unsaved input or to sign the user out. It must never grant access.
    """
    state: State | None = getattr(request, "clerk", None)
    if isinstance(state, SignedIn):
        return state.claims
    return state.expired_claims if state else None


def authenticate(request: HttpRequest, found: ClerkCookies, instance: Instance) -> State:
    """Return the authentication state of `request`.

    The middleware resolves a returning handshake before it calls this.

    Args:
        found: Clerk's cookies, which are used if the request has no Bearer token.
    """
    bearer = bearer_token(request)
    if bearer is not None:
        return authenticate_token(bearer)
    return _authenticate_cookies(request, found, instance)


def bearer_token(request: HttpRequest) -> str | None:
    """Return the Authorization header's token, or None if the header is missing or uses another scheme."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if token:
        return token.strip() if scheme == "Bearer" else None
    return scheme or None


def authenticate_token(token: str) -> SignedIn | SignedOut:
    try:
        return SignedIn(tokens.verify(token))
    except SessionTokenError as error:
        return SignedOut(error.reason, error.expired_claims)


def _authenticate_cookies(request: HttpRequest, found: ClerkCookies, instance: Instance) -> State:
    if instance.is_development:
        if cookies.DEV_BROWSER in request.GET:
            return NeedsHandshake(HandshakeReason.DEV_BROWSER_SYNC)
        if not found.dev_browser:
            return NeedsHandshake(HandshakeReason.DEV_BROWSER_MISSING)
    if not found.session and not found.client_uat:
        return SignedOut(NO_TOKEN)
    if not found.client_uat:
        return NeedsHandshake(HandshakeReason.SESSION_WITHOUT_UAT)
    if not found.session:
        return NeedsHandshake(HandshakeReason.UAT_WITHOUT_SESSION)
    return _authenticate_session_cookie(found)


def _authenticate_session_cookie(found: ClerkCookies) -> State:
    if tokens.is_other_kind(found.session):
        return SignedOut(tokens.Reason.WRONG_TYPE)
    # The browser's sessions changed after this token was issued, so Clerk must confirm that this one still exists.
    issued_s = tokens.unverified(found.session).get("iat")
    if isinstance(issued_s, int | float) and issued_s < found.client_uat:
        return NeedsHandshake(HandshakeReason.OLDER_THAN_UAT)
    state = authenticate_token(found.session)
    if isinstance(state, SignedOut) and state.reason in RENEWABLE:
        return NeedsHandshake(RENEWABLE[tokens.Reason(state.reason)], state.expired_claims)
    return state
