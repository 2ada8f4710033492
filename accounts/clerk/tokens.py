"""Session tokens: what Clerk signs for a person who is signed in. They live for a minute.

The order of checks, and what counts as a session token, are those of @clerk/backend: the signature first, since nothing in
an unsigned token deserves an answer. https://clerk.com/docs/guides/sessions/session-tokens
"""

import base64
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt
from django.conf import settings

from accounts.clerk import instance, jwks

#: Clocks may differ by this many seconds.
SKEW_S = 5
#: Browsers keep no cookie beyond 4 kB.
MAX_LENGTH = 8192
#: The same key signs several kinds of token. `cat` in the header tells them apart: these are sessions and handshakes; a
#: token made from a template of the customer's, or for a machine, is neither (@clerk/backend, jwtCategories.ts).
SESSION_CATEGORIES = frozenset({None, "cl_B7d4PD111AAA", "cl_I7d4PD111III"})


class Reason(StrEnum):
    """Why a token does not sign anybody in."""

    MALFORMED = "token_malformed"
    WRONG_TYPE = "token_type_mismatch"
    WRONG_ALGORITHM = "token_wrong_algorithm"
    UNKNOWN_KEY = "token_unknown_key"
    KEYS_UNAVAILABLE = "keys_unavailable"
    BAD_SIGNATURE = "token_bad_signature"
    NO_SUBJECT = "token_without_subject"
    WRONG_PARTY = "token_wrong_party"
    WRONG_ISSUER = "token_wrong_issuer"
    NO_EXPIRY = "token_without_expiry"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    FROM_THE_FUTURE = "token_issued_in_the_future"
    NO_SESSION = "token_without_session"
    PENDING = "session_pending"


class SessionTokenError(Exception):
    """A token that signs nobody in.

    Attributes:
        reason: why.
        expired: what the token says, if all that is wrong is that its time is up.
    """

    def __init__(self, reason: Reason, expired: "SessionClaims | None" = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.expired = expired


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """What a good session token says.

    Attributes:
        clerk_id: the person (`sub`).
        session_id: the session (`sid`).
        impersonator: who really acts (`act.sub`), when an operator is looking through a person's eyes.
    """

    clerk_id: str
    session_id: str
    issued_at: datetime
    expires_at: datetime
    impersonator: str | None


def verify(token: str) -> SessionClaims:
    """Return what `token` says.

    Raises:
        SessionTokenError: it is not a good session token of our instance, or is not good now.
    """
    claims = verify_signed(token)
    clerk_id = claims.get("sub")
    if not isinstance(clerk_id, str) or not clerk_id.startswith("user_"):
        raise SessionTokenError(Reason.NO_SUBJECT)
    _check_party(claims)
    _check_issuer(claims)
    found = SessionClaims(clerk_id, _session_id(claims), *_lifetime(claims), _impersonator(claims))
    _check_times(found, _seconds(claims.get("nbf")))
    if not found.session_id:
        raise SessionTokenError(Reason.NO_SESSION)
    # Signed in, but with something still to do at Clerk. Clerk's own libraries take that for signed out.
    if claims.get("sts") == "pending":
        raise SessionTokenError(Reason.PENDING)
    return found


def verify_signed(token: str) -> dict[str, Any]:
    """Return the claims of a session or handshake token that our instance signed; nothing else is checked of them.

    Raises:
        SessionTokenError: it is of another kind, or not signed by our instance.
    """
    header = _header(token)
    if header.get("typ") != "JWT":
        raise SessionTokenError(Reason.WRONG_TYPE)
    # Never what the token itself asks for: "none", or HMAC with the public key as its secret.
    if header.get("alg") != "RS256":
        raise SessionTokenError(Reason.WRONG_ALGORITHM)
    claims = _decode(token, header)
    if header.get("cat") not in SESSION_CATEGORIES:
        raise SessionTokenError(Reason.WRONG_TYPE)
    return claims


def is_other_kind(token: str) -> bool:
    """Return whether `token` says of itself that it is for a machine or made from a template. Nothing is verified."""
    category = _segment(token, 0).get("cat")
    is_known = isinstance(category, str | None) and category in SESSION_CATEGORIES
    return not is_known or str(unverified(token).get("sub", "")).startswith("mch_")


def unverified(token: str) -> dict[str, Any]:
    """Return what a token claims, for choosing between cookies only; empty if it cannot be read."""
    return _segment(token, 1)


def _segment(token: str, position: int) -> dict[str, Any]:
    """Return one part of a token unverified; nothing if any part is malformed, as Clerk's library has it.

    PyJWT looks at each character in Python, which is felt, because this is asked several times a request.
    """
    try:
        header, claims, _ = (_canonical(part) for part in token[:MAX_LENGTH].split("."))
        found = json.loads((header, claims)[position])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _canonical(encoded: str) -> bytes:
    decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != encoded.encode():
        raise ValueError("This is not base64 as tokens have it.")
    return decoded


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_LENGTH or not token.isascii():
        raise SessionTokenError(Reason.MALFORMED)
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise SessionTokenError(Reason.MALFORMED) from None
    if not isinstance(header.get("cat"), str | None):
        raise SessionTokenError(Reason.WRONG_TYPE)
    return dict(header)


def _decode(token: str, header: dict[str, Any]) -> dict[str, Any]:
    try:
        key = jwks.find(str(header.get("kid", "")))
    except jwks.KeysUnavailable:
        raise SessionTokenError(Reason.KEYS_UNAVAILABLE) from None
    if key is None:
        raise SessionTokenError(Reason.UNKNOWN_KEY)
    checked_here = dict.fromkeys(("exp", "nbf", "iat", "aud", "iss", "sub", "jti"), False)
    options = {f"verify_{name}": value for name, value in checked_here.items()}
    try:
        claims = jwt.decode(token, key, algorithms=["RS256"], options=options)  # type: ignore[arg-type]
    except jwt.InvalidSignatureError:
        raise SessionTokenError(Reason.BAD_SIGNATURE) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise SessionTokenError(Reason.MALFORMED) from None
    return dict(claims)


def _check_party(claims: dict[str, Any]) -> None:
    """Refuse tokens minted for another site. Without `azp` nobody knows for which, so that is refused, too."""
    if claims.get("azp") not in settings.CLERK_AUTHORIZED_PARTIES:
        raise SessionTokenError(Reason.WRONG_PARTY)


def _check_issuer(claims: dict[str, Any]) -> None:
    configured = instance.current()
    if configured is None or claims.get("iss") != configured.frontend_api_url:
        raise SessionTokenError(Reason.WRONG_ISSUER)


def _session_id(claims: dict[str, Any]) -> str:
    """Return the session, or "" if the token names none."""
    session_id = claims.get("sid")
    return session_id if isinstance(session_id, str) else ""


def _lifetime(claims: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when the token was made and when it expires."""
    issued_s, expires_s = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    if issued_s is None or expires_s is None:
        raise SessionTokenError(Reason.NO_EXPIRY)
    return datetime.fromtimestamp(issued_s, UTC), datetime.fromtimestamp(expires_s, UTC)


def _check_times(claims: SessionClaims, not_before_s: float | None) -> None:
    now = time.time()
    if claims.expires_at.timestamp() <= now - SKEW_S:
        raise SessionTokenError(Reason.EXPIRED, claims)
    if not_before_s is not None and not_before_s > now + SKEW_S:
        raise SessionTokenError(Reason.NOT_YET_VALID)
    if claims.issued_at.timestamp() > now + SKEW_S:
        raise SessionTokenError(Reason.FROM_THE_FUTURE)


def _seconds(value: object) -> float | None:
    """Return a time of a token, which is in seconds; None for what is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Beyond the year 9999 Python has no dates. Infinity and "not a number" fail the comparison, too.
    return float(value) if 0 < value < 253_402_300_800 else None


def _impersonator(claims: dict[str, Any]) -> str | None:
    act = claims.get("act")
    sub = act.get("sub") if isinstance(act, dict) else None
    return sub[:64] if isinstance(sub, str) else None
