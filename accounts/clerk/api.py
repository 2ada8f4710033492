"""Clerk's Backend API, as far as this product uses it. https://clerk.com/docs/reference/backend-api

Every function is called outside of transactions, and raises the errors of `accounts.clerk.http.ask`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accounts.clerk import instance_guard
from accounts.clerk.fields import ClerkPayloadError, parse_user_id
from accounts.clerk.http import ClerkApiError, ClerkNotFoundError, ClerkRejectedError, ask
from accounts.clerk.payloads import (
    SESSION_ID,
    ClerkUser,
    ClerkUserDeleted,
    Rank,
    parse_user,
)

__all__ = ["ClerkApiError", "ClerkNotFoundError", "ClerkRejectedError"]

#: Users in one answer; the most that Clerk gives.
PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class UserPage:
    """Part of the list of all users.

    Attributes:
        unreadable: ids of users, or what stands in their place, whose shape is unknown, with the reason.
        last_id: the id of the last user on the page; None if there is nobody behind.
    """

    users: list[ClerkUser]
    unreadable: list[tuple[str, str]]
    last_id: str | None


def get_user(clerk_id: str) -> ClerkUser | ClerkUserDeleted:
    """Return what Clerk knows of a user now; a deletion if it knows nobody of that id."""
    now = datetime.now(UTC)
    path = _user_path(clerk_id)
    try:
        return _user(ask("GET", path), now, about=clerk_id)
    except ClerkNotFoundError:
        instance_guard.verify_secret_key()  # another instance's key finds nobody of ours
        return ClerkUserDeleted(clerk_id, now)


def list_users(starting_after: str = "") -> UserPage:
    """Return the users who signed up after the one with this id, oldest first; from the first without.

    By key and not by number, so that people who sign up or are deleted meanwhile shift nobody.
    """
    return _page({"order_by": "+created_at"} | ({"starting_after": starting_after} if starting_after else {}))


def list_recent_users(offset: int = 0) -> UserPage:
    """Return users by their last change, newest first, without the first `offset` of them."""
    return _page({"order_by": "-updated_at", "offset": str(offset)})


def count_users() -> int:
    """Return how many users Clerk has."""
    found = ask("GET", "/v1/users/count")
    count = found.get("total_count") if isinstance(found, dict) else None
    if not isinstance(count, int):
        raise ClerkApiError("Clerk's count of users is not a number.")
    return count


def merge_public_metadata(clerk_id: str, values: Mapping[str, Any]) -> ClerkUser:
    """Write keys of a user's public metadata, leave all others as they are, and return the user as it is then.

    Args:
        values: a value of any JSON type for each key; None removes the key.
    """
    path = f"{_user_path(clerk_id)}/metadata"
    answer = ask("PATCH", path, body={"public_metadata": dict(values)}, paced_by=clerk_id)
    return _user(answer, datetime.now(UTC), about=clerk_id)


def delete_user(clerk_id: str) -> None:
    """Delete somebody at Clerk; nothing happens if nobody of that id is there."""
    try:
        ask("DELETE", _user_path(clerk_id))
    except ClerkNotFoundError:
        instance_guard.verify_secret_key()


def revoke_session(session_id: str) -> None:
    """End a session, so that it gives no more tokens; nothing happens if it is over already."""
    if not SESSION_ID.fullmatch(session_id):
        raise ValueError(f"{session_id!r} is no id of a session, sess_….")
    try:
        ask("POST", f"/v1/sessions/{session_id}/revoke")
    except (ClerkNotFoundError, ClerkRejectedError):
        return


def _user_path(clerk_id: str) -> str:
    return f"/v1/users/{parse_user_id(clerk_id)}"


def _page(query: dict[str, str]) -> UserPage:
    now = datetime.now(UTC)
    found = ask("GET", "/v1/users", query=query | {"limit": str(PAGE_SIZE)})
    if not isinstance(found, list):
        raise ClerkApiError("Clerk answered the list of users with something that is no list.")
    page = UserPage([], [], _last_id(found) if len(found) >= PAGE_SIZE else None)
    for entry in found:
        try:
            page.users.append(parse_user(entry, rank=Rank.FETCHED, occurred_at=now))
        except ClerkPayloadError as error:
            page.unreadable.append((_id_of(entry), str(error)))
    return page


def _user(answer: object, asked_at: datetime, *, about: str) -> ClerkUser:
    try:
        return parse_user(answer, rank=Rank.FETCHED, occurred_at=asked_at)
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's answer about {about} cannot be used: {error}") from error


def _last_id(entries: list[Any]) -> str:
    """Return the id behind which the list goes on."""
    for entry in reversed(entries):
        try:
            return parse_user_id(entry.get("id") if isinstance(entry, dict) else None)
        except ClerkPayloadError:
            continue
    raise ClerkApiError("Nobody on a whole page of Clerk's list of users has an id.")


def _id_of(entry: object) -> str:
    return str(entry.get("id")) if isinstance(entry, dict) else repr(entry)[:50]
