"""Verify session tokens: JWTs that Clerk signs for a signed-in user and that are valid for one minute.

The order of checks and the accepted token categories are the same as in @clerk/backend. The signature is checked first,
because an unsigned token must not influence the result. https://clerk.com/docs/guides/sessions/session-tokens
"""

import base64
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt
from django.conf import settings

from accounts.clerk import instance, jwks
from core.text import postgres_safe

#: Allowed difference between Clerk's clock and this server's clock.
SKEW_S = 5
#: How long after its expiry a token still identifies the user of a preserved form and the session to sign out.
MAX_EXPIRED_S = 3600
#: Twice the size of the largest cookie that browsers store (4 kB).
MAX_LENGTH = 8192
#: Token categories of session and handshake tokens. Clerk signs several categories with one key and sets the category
#: in the `cat` header. Tokens from a customer's JWT template and machine tokens have other values (@clerk/backend,
#: jwtCategories.ts).
SESSION_CATEGORIES = frozenset({None, "cl_B7d4PD111AAA", "cl_I7d4PD111III"})
NEVER_VERIFIED = (-1, -1)
#: IDs of users and sessions. Other characters and longer IDs do not fit the columns.
ID = re.compile(r"[!-~]{1,64}")


class Reason(StrEnum):
    """The reason why a token was rejected."""

    MALFORMED = "token_malformed"
    WRONG_TYPE = "token_type_mismatch"
    WRONG_ALGORITHM = "token_wrong_algorithm"
    UNKNOWN_KEY = "token_unknown_key"
    KEYS_UNAVAILABLE = "keys_unavailable"
    BAD_SIGNATURE = "token_bad_signature"
    NO_SUBJECT = "token_without_subject"
    WRONG_PARTY = "token_wrong_party"
    NO_PARTY = "token_without_party"
    WRONG_ISSUER = "token_wrong_issuer"
    NO_EXPIRY = "token_without_expiry"
    EXPIRED = "token_expired"
    NOT_YET_VALID = "token_not_yet_valid"
    FROM_THE_FUTURE = "token_issued_in_the_future"
    NO_SESSION = "token_without_session"
    PENDING = "session_pending"


class SessionTokenError(Exception):
    """The token cannot be used to sign in.

    Attributes:
        expired_claims: the token's claims, if its only problem is that it expired at most MAX_EXPIRED_S ago or does not
            name a site.
    """

    def __init__(self, reason: Reason, expired_claims: "SessionClaims | None" = None) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.expired_claims = expired_claims


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """A valid session token's claims.

    Attributes:
        clerk_id: the user (`sub`).
        session_id: the session (`sid`).
        impersonator: the person who impersonates the user (`act.sub`), if any.
        factor_ages: minutes since the user verified the first and the second factor (`fva`). -1 means never, or that
            the user has no second factor.
    """

    clerk_id: str
    session_id: str
    issued_at: datetime
    expires_at: datetime
    impersonator: str | None
    factor_ages: tuple[int, int] = NEVER_VERIFIED


def verify(token: str) -> SessionClaims:
    """Verify a session token and return its claims.

    Raises:
        SessionTokenError: the token is not a session token from our instance, or is not currently valid.
    """
    claims = verify_signed(token)
    clerk_id = claims.get("sub")
    if not isinstance(clerk_id, str) or not clerk_id.startswith("user_") or not ID.fullmatch(clerk_id):
        raise SessionTokenError(Reason.NO_SUBJECT)
    _check_party(claims)
    _check_issuer(claims)
    found = SessionClaims(
        clerk_id, _session_id(claims), *_lifetime(claims), _impersonator(claims), _factor_ages(claims)
    )
    _check_times(found, _seconds(claims.get("nbf")))
    if not found.session_id:
        raise SessionTokenError(Reason.NO_SESSION)
    # The user must complete a task in Clerk first. Clerk's libraries treat this user as signed out.
    if claims.get("sts") == "pending":
        raise SessionTokenError(Reason.PENDING)
    if not claims.get("azp"):
        raise SessionTokenError(Reason.NO_PARTY, found)
    return found


def verify_signed(token: str) -> dict[str, Any]:
    """Return a session or handshake token's claims after checking only its type and signature.

    Raises:
        SessionTokenError: the token has another type or was not signed by our instance.
    """
    header = _header(token)
    if header.get("typ") != "JWT":
        raise SessionTokenError(Reason.WRONG_TYPE)
    # Never trust the token's algorithm. It could be "none", or HMAC with the public key as the secret.
    if header.get("alg") != "RS256":
        raise SessionTokenError(Reason.WRONG_ALGORITHM)
    claims = _decode(token, header)
    if header.get("cat") not in SESSION_CATEGORIES:
        raise SessionTokenError(Reason.WRONG_TYPE)
    return claims


def is_other_kind(token: str) -> bool:
    """Return whether an unverified token claims to be a machine token or to come from a JWT template."""
    category = _segment(token, 0).get("cat")
    is_known = isinstance(category, str | None) and category in SESSION_CATEGORIES
    return not is_known or str(unverified(token).get("sub", "")).startswith("mch_")


def unverified(token: str) -> dict[str, Any]:
    """Return an unverified token's claims, or {} if it is malformed. Use this only to choose between cookies."""
    return _segment(token, 1)


def _segment(token: str, position: int) -> dict[str, Any]:
    """Decode one part of a token without verifying it. Like Clerk's library, return {} if any part is malformed.

    This function runs several times per request. PyJWT is noticeably slower because it checks each character in Python.
    """
    try:
        header, claims, _ = (_decode_base64(part) for part in token[:MAX_LENGTH].split("."))
        found = json.loads((header, claims)[position])
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decode_base64(encoded: str) -> bytes:
    decoded = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != encoded.encode():
        raise ValueError("The token part is not canonical base64url.")
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
    try:
        # PyJWT verifies only the signature. `verify` checks the claims.
        claims = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise SessionTokenError(Reason.BAD_SIGNATURE) from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise SessionTokenError(Reason.MALFORMED) from None
    return dict(claims)


def _check_party(claims: dict[str, Any]) -> None:
    """Reject a token that was issued for another site (`azp`).

    `verify` later rejects tokens that do not name a site.
    """
    party, allowed = claims.get("azp"), settings.CLERK_AUTHORIZED_PARTIES
    if not allowed or (party and party not in allowed):
        raise SessionTokenError(Reason.WRONG_PARTY)


def _check_issuer(claims: dict[str, Any]) -> None:
    configured = instance.current()
    if configured is None or claims.get("iss") != configured.frontend_api_url:
        raise SessionTokenError(Reason.WRONG_ISSUER)


def _session_id(claims: dict[str, Any]) -> str:
    session_id = claims.get("sid")
    return session_id if isinstance(session_id, str) and ID.fullmatch(session_id) else ""


def _lifetime(claims: dict[str, Any]) -> tuple[datetime, datetime]:
    issued_s, expires_s = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    if issued_s is None or expires_s is None:
        raise SessionTokenError(Reason.NO_EXPIRY)
    return datetime.fromtimestamp(issued_s, UTC), datetime.fromtimestamp(expires_s, UTC)


def _check_times(claims: SessionClaims, not_before_s: float | None) -> None:
    now = time.time()
    expired_s = now - claims.expires_at.timestamp()
    if expired_s >= SKEW_S:
        raise SessionTokenError(Reason.EXPIRED, claims if expired_s <= MAX_EXPIRED_S else None)
    if not_before_s is not None and not_before_s > now + SKEW_S:
        raise SessionTokenError(Reason.NOT_YET_VALID)
    if claims.issued_at.timestamp() > now + SKEW_S:
        raise SessionTokenError(Reason.FROM_THE_FUTURE)


def _seconds(value: object) -> float | None:
    """Return a time claim in seconds since the epoch, or None if it is not a valid time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Python supports dates up to the year 9999. Infinity and NaN also fail this comparison.
    return float(value) if 0 < value < 253_402_300_800 else None


def _impersonator(claims: dict[str, Any]) -> str | None:
    act = claims.get("act")
    sub = act.get("sub") if isinstance(act, dict) else None
    return postgres_safe(sub[:64]) if isinstance(sub, str) else None


def _factor_ages(claims: dict[str, Any]) -> tuple[int, int]:
    match claims.get("fva"):
        case [int(first), int(second)]:
            return first, second
    return NEVER_VERIFIED
