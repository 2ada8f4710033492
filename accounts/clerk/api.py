"""Clerk's Backend API. https://clerk.com/docs/reference/backend-api"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings

from accounts.clerk.payloads import ClerkPayloadError, ClerkUser, ClerkUserDeleted, Rank, parse_user

TIMEOUT_S = 10.0
#: Users in one answer; the most that Clerk gives.
PAGE_SIZE = 500
#: Clerk limits requests per ten seconds, and says in Retry-After when to come back; this long it is waited for in all.
PATIENCE_S = 30.0
#: Seconds before asking again where Clerk does not say.
PAUSE_S = 1.0


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
        return parse_user(_json(response, about=clerk_id), rank=Rank.FETCHED, occurred_at=now)
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's answer about {clerk_id} cannot be used: {error}") from error


@dataclass(frozen=True, slots=True)
class UserPage:
    """Part of the list of all users, oldest first.

    Attributes:
        unreadable: ids of users, or what stands in their place, whose shape is unknown, with the reason.
        last_id: the user behind whom the next page begins; None if this is the last page.
    """

    users: list[ClerkUser]
    unreadable: list[tuple[str, str]]
    last_id: str | None


def list_users(starting_after: str | None = None) -> UserPage:
    """Return the users who signed up after the one with this id; from the first without.

    By key and not by number, so that people who sign up or are deleted meanwhile shift nobody.

    Raises:
        ClerkApiError: Clerk cannot be reached, refuses to answer, or answers in an unknown shape.
    """
    now = datetime.now(UTC)
    query = {"limit": str(PAGE_SIZE), "order_by": "+created_at"}
    response = _ask("GET", "/v1/users", query | ({"starting_after": starting_after} if starting_after else {}))
    found = _json(response, about="all users")
    if not response.is_success or not isinstance(found, list):
        raise ClerkApiError(f"Clerk answered the list of users with {response.status_code} and no list.")
    page = UserPage([], [], _id_of(found[-1]) if len(found) >= PAGE_SIZE else None)
    for entry in found:
        try:
            page.users.append(parse_user(entry, rank=Rank.FETCHED, occurred_at=now))
        except ClerkPayloadError as error:
            page.unreadable.append((_id_of(entry), str(error)))
    return page


def revoke_session(session_id: str) -> None:
    """End a session, so that it gives no more tokens; nothing happens if it is over already.

    Raises:
        ClerkApiError: Clerk cannot be reached, or refuses.
    """
    _ask("POST", f"/v1/sessions/{quote(session_id, safe='')}/revoke")


def _ask(method: str, path: str, query: dict[str, str] | None = None) -> httpx.Response:
    """Return an answer that says something: success, or that there is no such thing."""
    given_up_at = time.monotonic() + PATIENCE_S
    while True:
        response = _send(method, path, query)
        if response.is_success or response.status_code == httpx.codes.NOT_FOUND:
            return response
        pause_s = _pause_s(response)
        if response.status_code != httpx.codes.TOO_MANY_REQUESTS or time.monotonic() + pause_s > given_up_at:
            raise ClerkApiError(f"Clerk answered {method} {path} with {response.status_code}: {response.text[:300]}")
        time.sleep(pause_s)


def _send(method: str, path: str, query: dict[str, str] | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"}
    url = f"{settings.CLERK_API_URL}{path}"
    try:
        return httpx.request(method, url, params=query, headers=headers, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise ClerkApiError(f"Clerk cannot be reached for {method} {path}: {error}") from error


def _pause_s(response: httpx.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else PAUSE_S


def _json(response: httpx.Response, *, about: str) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise ClerkApiError(f"Clerk's answer about {about} is not JSON: {error}") from None


def _id_of(entry: object) -> str:
    return str(entry.get("id")) if isinstance(entry, dict) else repr(entry)[:50]
