"""Read Clerk's cookies from a request.

Clerk sets each cookie twice: with its plain name, which all Clerk instances on a host share, and with an
instance-specific suffix. The code chooses between the two like @clerk/backend 3.25 (authenticateContext.ts).
"""

import re
import time
from typing import Any
from urllib.parse import unquote

from accounts.clerk import tokens
from accounts.clerk.instance import Instance

SESSION, CLIENT_UAT, DEV_BROWSER = "__session", "__client_uat", "__clerk_db_jwt"
HANDSHAKE, HANDSHAKE_NONCE, REDIRECT_COUNT = "__clerk_handshake", "__clerk_handshake_nonce", "__clerk_redirect_count"
#: Maximum number of cookies to parse, which is more than any browser stores for one host. Other cookies are ignored.
MAX_COOKIES = 200
DIGITS = re.compile(r"\s*(\d{1,15})")


def parse(header: str) -> dict[str, str]:
    """Parse a Cookie header. If a name is repeated, keep the first cookie. Values are percent-decoded.

    Python's SimpleCookie stops at the first malformed cookie, and Django's parser keeps the last cookie with a repeated
    name.
    """
    cookies: dict[str, str] = {}
    for part in header.split(";", MAX_COOKIES)[:MAX_COOKIES]:
        name, equals, value = part.strip().partition("=")
        if equals and name not in cookies:
            cookies[name] = unquote(value)
    return cookies


class ClerkCookies:
    """Clerk's cookies for one instance in one request."""

    def __init__(self, header: str, instance: Instance) -> None:
        self._cookies = parse(header)
        self._instance = instance
        #: Whether to use the suffixed cookies instead of the plain cookies.
        self.uses_suffixed = self._uses_suffixed()

    @property
    def session(self) -> str:
        """The unverified session token, or "".

        It has usually expired, because the cookie expires a year after the token.
        """
        return self._chosen(SESSION)

    @property
    def client_uat(self) -> int:
        """When this browser's sessions last changed, in seconds since the epoch, or 0 if no user is signed in."""
        digits = DIGITS.match(self._chosen(CLIENT_UAT))
        return int(digits[1]) if digits else 0

    @property
    def dev_browser(self) -> str:
        """The token that identifies the browser to a development instance, otherwise ""."""
        return self._chosen(DEV_BROWSER)

    @property
    def handshake(self) -> str:
        return self._cookies.get(HANDSHAKE, "")

    @property
    def redirect_count(self) -> int:
        count = self._cookies.get(REDIRECT_COUNT, "")
        return int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else 0

    def _plain(self, name: str) -> str:
        return self._cookies.get(name, "")

    def _suffixed(self, name: str) -> str:
        return self._cookies.get(f"{name}_{self._instance.cookie_suffix}", "")

    def _chosen(self, name: str) -> str:
        return self._suffixed(name) if self.uses_suffixed else self._plain(name)

    def _uses_suffixed(self) -> bool:
        session, suffixed_session = tokens.unverified(self._plain(SESSION)), tokens.unverified(self._suffixed(SESSION))
        uat, suffixed_uat = self._plain(CLIENT_UAT), self._suffixed(CLIENT_UAT)
        if self._plain(SESSION) and not session.get("iss"):
            return False
        if self._plain(SESSION) and not self._is_ours(session):
            return True
        if not suffixed_uat and not self._suffixed(SESSION):
            return False
        if suffixed_uat != "0" and uat != "0" and _number(session, "iat") > _number(suffixed_session, "iat"):
            return False
        if suffixed_uat == "0" and uat != "0":
            return False
        signed_out_plainly = suffixed_uat != "0" and uat == "0"
        if self._instance.is_development and signed_out_plainly and _is_expired(suffixed_session):
            return False
        return bool(suffixed_uat)

    def _is_ours(self, claims: dict[str, Any]) -> bool:
        issuer = claims.get("iss")
        return isinstance(issuer, str) and _host(issuer) == _host(self._instance.frontend_api_url)


def _host(url: str) -> str:
    return re.sub(r"^https?://", "", url)


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    return value if isinstance(value, int | float) else 0


def _is_expired(claims: dict[str, Any]) -> bool:
    return "exp" in claims and _number(claims, "exp") <= int(time.time())
