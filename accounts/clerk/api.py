"""A client for the endpoints of Clerk's Backend API that this product uses.

https://clerk.com/docs/reference/backend-api

Call these functions outside transactions. They raise the same exceptions as `accounts.clerk.http.request`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accounts.clerk import instance_guard
from accounts.clerk.fields import ClerkPayloadError, parse_user_id
from accounts.clerk.http import ClerkApiError, ClerkNotFoundError, ClerkRejectedError, request
from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted, Rank, parse_user
from accounts.clerk.session_payloads import SESSION_ID, ClerkSession, active_session

__all__ = ["ClerkApiError", "ClerkNotFoundError", "ClerkRejectedError"]

#: Number of users per page. Clerk's maximum is 500.
PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of Clerk's user list.

    Attributes:
        unreadable: (id, error) of each entry that could not be parsed.
        last_id: the id of the last user on the page, or None on the last page.
    """

    users: list[ClerkUser]
    unreadable: list[tuple[str, str]]
    last_id: str | None


def get_user(clerk_id: str, *, page_timeout_s: float | None = None) -> ClerkUser | ClerkUserDeleted:
    """Return the user's current data in Clerk, or a deletion if Clerk has no user with this id.

    Args:
        page_timeout_s: see `accounts.clerk.http.request`.
    """
    now = datetime.now(UTC)
    path = _user_path(clerk_id)
    try:
        return _parse_response(request("GET", path, page_timeout_s=page_timeout_s), now, about=clerk_id)
    except ClerkNotFoundError:
        # With another instance's key, Clerk returns 404 for all our users.
        instance_guard.verify_secret_key()
        return ClerkUserDeleted(clerk_id, now)


def list_users(starting_after: str = "") -> UserPage:
    """Return a page of users in order of sign-up, oldest first.

    Pages are identified by user id instead of an offset, so sign-ups and deletions between requests do not shift them.

    Args:
        starting_after: the last id on the previous page, or "" for the first page.
    """
    return _fetch_page({"order_by": "+created_at"} | ({"starting_after": starting_after} if starting_after else {}))


def list_recent_users(offset: int = 0) -> UserPage:
    """Return a page of users, most recently changed first."""
    return _fetch_page({"order_by": "-updated_at", "offset": str(offset)})


def find_user_ids(email: str) -> list[str]:
    """Return the Clerk IDs of the users with this email address."""
    page = _fetch_page({"email_address": email})
    return [user.clerk_id for user in page.users] + [clerk_id for clerk_id, _reason in page.unreadable]


def count_users() -> int:
    found = request("GET", "/v1/users/count")
    count = found.get("total_count") if isinstance(found, dict) else None
    if not isinstance(count, int):
        raise ClerkApiError("Clerk's user count is not a number.")
    return count


def merge_public_metadata(clerk_id: str, values: Mapping[str, Any]) -> ClerkUser:
    """Merge `values` into a user's public metadata and return the updated user.

    Args:
        values: a JSON value for each key. None removes the key. Other keys are not changed.
    """
    path = f"{_user_path(clerk_id)}/metadata"
    response = request("PATCH", path, body={"public_metadata": dict(values)}, rate_limit_key=clerk_id)
    return _parse_response(response, datetime.now(UTC), about=clerk_id)


def delete_user(clerk_id: str) -> None:
    """Delete a user in Clerk. Do nothing if the user does not exist there."""
    try:
        request("DELETE", _user_path(clerk_id))
    except ClerkNotFoundError:
        instance_guard.verify_secret_key()


def create_invitation(email: str, *, roles: Sequence[str], sign_up_url: str) -> str:
    """Send an invitation by email, and return its ID. See `send_invitation`."""
    found = send_invitation(email, roles=roles, sign_up_url=sign_up_url)
    return str(found.get("id") or "")[:64] if isinstance(found, dict) else ""


def send_invitation(email: str, *, roles: Sequence[str], sign_up_url: str) -> Any:
    """Send an invitation by email, and return Clerk's answer.

    Clerk rejects an address that has a pending invitation or belongs to a user, so no one is invited twice.
    https://clerk.com/docs/reference/backend/invitations/create-invitation

    Args:
        roles: copied to the user's public metadata when the user signs up.
        sign_up_url: the page that the link in the email opens.
    """
    body = {
        "email_address": email,
        "public_metadata": {"roles": list(roles)},
        "redirect_url": sign_up_url,
        "notify": True,
        "ignore_existing": False,
    }
    return request("POST", "/v1/invitations", body=body)


def ban_user(clerk_id: str) -> ClerkUser:
    """Ban a user. Clerk also ends the user's sessions."""
    return _change_access(clerk_id, "ban")


def unban_user(clerk_id: str) -> ClerkUser:
    return _change_access(clerk_id, "unban")


def lock_user(clerk_id: str) -> ClerkUser:
    """Lock a user, who can then not sign in until the lock expires. Clerk does not end the user's sessions."""
    return _change_access(clerk_id, "lock")


def unlock_user(clerk_id: str) -> ClerkUser:
    return _change_access(clerk_id, "unlock")


def list_active_sessions(clerk_id: str) -> list[ClerkSession]:
    """Return a user's active sessions, at most `PAGE_SIZE`."""
    query = {"user_id": parse_user_id(clerk_id), "status": "active", "limit": str(PAGE_SIZE)}
    found = request("GET", "/v1/sessions", query=query)
    if not isinstance(found, list):
        raise ClerkApiError("Clerk's session list is not a JSON array.")
    try:
        return [active_session(entry) for entry in found]
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's session list for {clerk_id} cannot be parsed: {error}") from error


def revoke_session(session_id: str) -> None:
    """End a session so that Clerk issues no more tokens for it. Do nothing if the session has already ended."""
    if not SESSION_ID.fullmatch(session_id):
        raise ValueError(f"{session_id!r} is not a session id (sess_…).")
    try:
        request("POST", f"/v1/sessions/{session_id}/revoke")
    except (ClerkNotFoundError, ClerkRejectedError):
        return


def _change_access(clerk_id: str, verb: str) -> ClerkUser:
    response = request("POST", f"{_user_path(clerk_id)}/{verb}")
    return _parse_response(response, datetime.now(UTC), about=clerk_id)


def _user_path(clerk_id: str) -> str:
    return f"/v1/users/{parse_user_id(clerk_id)}"


def _fetch_page(query: dict[str, str]) -> UserPage:
    now = datetime.now(UTC)
    found = request("GET", "/v1/users", query=query | {"limit": str(PAGE_SIZE)})
    if not isinstance(found, list):
        raise ClerkApiError("Clerk's user list is not a JSON array.")
    page = UserPage([], [], _last_id(found) if len(found) >= PAGE_SIZE else None)
    for entry in found:
        try:
            page.users.append(parse_user(entry, rank=Rank.FETCHED, occurred_at=now))
        except ClerkPayloadError as error:
            page.unreadable.append((_id_of(entry), str(error)))
    return page


def _parse_response(response: object, requested_at: datetime, *, about: str) -> ClerkUser:
    try:
        return parse_user(response, rank=Rank.FETCHED, occurred_at=requested_at)
    except ClerkPayloadError as error:
        raise ClerkApiError(f"Clerk's response for {about} cannot be parsed: {error}") from error


def _last_id(entries: list[Any]) -> str:
    for entry in reversed(entries):
        try:
            return parse_user_id(entry.get("id") if isinstance(entry, dict) else None)
        except ClerkPayloadError:
            continue
    raise ClerkApiError("No user on a full page of Clerk's user list has an id.")


def _id_of(entry: object) -> str:
    return str(entry.get("id")) if isinstance(entry, dict) else repr(entry)[:50]
