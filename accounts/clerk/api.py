"""Clerk's Backend API. https://clerk.com/docs/reference/backend-api"""

from datetime import UTC, datetime
from urllib.parse import quote

import httpx
from django.conf import settings

from accounts.clerk.payloads import ClerkPayloadError, ClerkUser, ClerkUserDeleted, Rank, parse_user

TIMEOUT_S = 10.0


class ClerkApiError(Exception):
    """Clerk did not give a usable answer; asking again later may help."""


def get_user(clerk_id: str) -> ClerkUser | ClerkUserDeleted:
    """Return what Clerk knows of a user now; a deletion if it knows nobody of that id.

    Raises:
        ClerkApiError: Clerk cannot be reached, refuses to answer, or answers in an unknown shape.
    """
    now = datetime.now(UTC)
    try:
        response = httpx.get(
            f"{settings.CLERK_API_URL}/v1/users/{quote(clerk_id, safe='')}",
            headers={"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"},
            timeout=TIMEOUT_S,
        )
        if response.status_code == httpx.codes.NOT_FOUND:
            return ClerkUserDeleted(clerk_id, now)
        response.raise_for_status()
        return parse_user(response.json(), rank=Rank.FETCHED, occurred_at=now)
    except (httpx.HTTPError, ValueError, ClerkPayloadError) as error:
        raise ClerkApiError(f"Clerk was asked for {clerk_id} and gave no usable answer: {error}") from error
