"""Clerk's Backend API. https://clerk.com/docs/reference/backend-api"""

from datetime import UTC, datetime
from urllib.parse import quote

import httpx
from django.conf import settings

from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted, Rank, parse_user

TIMEOUT_S = 10.0


class ClerkApiError(Exception):
    """Clerk did not give a usable answer; asking again later may help."""


def get_user(clerk_id: str) -> ClerkUser | ClerkUserDeleted:
    """Return what Clerk knows of a user now; a deletion if it knows nobody of that id.

    Raises:
        ClerkApiError: Clerk cannot be reached, refuses to answer, or answers in an unknown shape.
    """
    now = datetime.now(UTC)
    response = _ask("GET", f"/v1/users/{quote(clerk_id, safe='')}")
    if response.status_code == httpx.codes.NOT_FOUND:
        return ClerkUserDeleted(clerk_id, now)
    try:
        return parse_user(response.json(), rank=Rank.FETCHED, occurred_at=now)
    except ValueError as error:
        raise ClerkApiError(f"Clerk's answer about {clerk_id} cannot be used: {error}") from error


def revoke_session(session_id: str) -> None:
    """End a session, so that it gives no more tokens; nothing happens if it is over already.

    Raises:
        ClerkApiError: Clerk cannot be reached, or refuses.
    """
    _ask("POST", f"/v1/sessions/{quote(session_id, safe='')}/revoke")


def _ask(method: str, path: str) -> httpx.Response:
    """Return an answer that says something: success, or that there is no such thing."""
    headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"}
    try:
        response = httpx.request(method, f"{settings.CLERK_API_URL}{path}", headers=headers, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise ClerkApiError(f"Clerk cannot be reached for {method} {path}: {error}") from error
    if response.is_success or response.status_code == httpx.codes.NOT_FOUND:
        return response
    raise ClerkApiError(f"Clerk answered {method} {path} with {response.status_code}: {response.text[:300]}")
