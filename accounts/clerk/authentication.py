"""Who is behind a request: signed in, signed out, or to be sent to Clerk for a fresh token.

This is the decision table of @clerk/backend 3.25 (request.ts) for a site with pages of its own, with cookies or a Bearer
header, without satellites. A session token lives for a minute, so the first page after any pause comes with an expired one;
the handshake is how it gets a new one without anybody noticing.
"""

from dataclasses import dataclass
from enum import StrEnum

from django.http import HttpRequest

from accounts.clerk import cookies, tokens
from accounts.clerk.cookies import ClerkCookies
from accounts.clerk.instance import Instance
from accounts.clerk.tokens import SessionClaims, SessionTokenError


class HandshakeReason(StrEnum):
    """Why a browser is sent to Clerk; part of the address, so the spelling is Clerk's."""

    DEV_BROWSER_SYNC = "dev-browser-sync"
    DEV_BROWSER_MISSING = "dev-browser-missing"
    SESSION_WITHOUT_UAT = "session-token-but-no-client-uat"
    UAT_WITHOUT_SESSION = "client-uat-but-no-session-token"
    OLDER_THAN_UAT = "session-token-iat-before-client-uat"
    EXPIRED = "session-token-expired"
    NOT_YET_VALID = "session-token-not-active-yet"
    FROM_THE_FUTURE = "session-token-iat-in-the-future"


#: Errors of a token that a new one cures.
CURES = {
    tokens.Reason.EXPIRED: HandshakeReason.EXPIRED,
    tokens.Reason.NOT_YET_VALID: HandshakeReason.NOT_YET_VALID,
    tokens.Reason.FROM_THE_FUTURE: HandshakeReason.FROM_THE_FUTURE,
}
#: A fresh token would not help: the browser itself is not known to Clerk.
ABOUT_THE_BROWSER = frozenset({HandshakeReason.DEV_BROWSER_SYNC, HandshakeReason.DEV_BROWSER_MISSING})
NO_TOKEN = "no_session_token"  # noqa: S105  # a reason, not a secret


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A good token."""

    claims: SessionClaims


@dataclass(frozen=True, slots=True)
class SignedOut:
    """No good token.

    Attributes:
        reason: a code for logs and for programs.
        expired: what the token says, if all that is wrong is that its time is up.
    """

    reason: str
    expired: SessionClaims | None = None


@dataclass(frozen=True, slots=True)
class NeedsHandshake:
    """A token that may be had from Clerk, by a browser that can be sent there.

    Attributes:
        expired: what the token that came says, if all that is wrong is that its time is up.
    """

    reason: HandshakeReason
    expired: SessionClaims | None = None


type State = SignedIn | SignedOut | NeedsHandshake


def claims_even_if_expired(request: HttpRequest) -> SessionClaims | None:
    """Return what the token of `request` says if Clerk signed it, be it expired or its session over.

    It is for giving people their own back, and for letting them out; it opens nothing.
    """
    state: State | None = getattr(request, "clerk", None)
    if isinstance(state, SignedIn):
        return state.claims
    return state.expired if state else None


def authenticate(request: HttpRequest, found: ClerkCookies, instance: Instance) -> State:
    """Return who is behind `request`. A handshake that comes back is resolved by the middleware before this is asked.

    Args:
        found: Clerk's cookies in the request, for when it carries no Bearer token.
    """
    bearer = bearer_token(request)
    if bearer is not None:
        return authenticate_token(bearer)
    return _from_cookies(request, found, instance)


def bearer_token(request: HttpRequest) -> str | None:
    """Return the token in the Authorization header; None if there is none, or the scheme is another, such as Basic."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if token:
        return token.strip() if scheme == "Bearer" else None
    return scheme or None


def authenticate_token(token: str) -> SignedIn | SignedOut:
    """Return what a session token says of whoever sends it."""
    try:
        return SignedIn(tokens.verify(token))
    except SessionTokenError as error:
        return SignedOut(error.reason, error.expired)


def _from_cookies(request: HttpRequest, found: ClerkCookies, instance: Instance) -> State:
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
    return _from_session(found)


def _from_session(found: ClerkCookies) -> State:
    if tokens.is_other_kind(found.session):
        return SignedOut(tokens.Reason.WRONG_TYPE)
    # The set of sessions changed after this token was made; Clerk knows whether it is still among them.
    issued_s = tokens.unverified(found.session).get("iat")
    if isinstance(issued_s, int | float) and issued_s < found.client_uat:
        return NeedsHandshake(HandshakeReason.OLDER_THAN_UAT)
    state = authenticate_token(found.session)
    if isinstance(state, SignedOut) and state.reason in CURES:
        return NeedsHandshake(CURES[tokens.Reason(state.reason)], state.expired)
    return state
