"""Fetch a user from Clerk when they return from the security page, so that their changes are visible without waiting.

Clerk's webhook usually arrives first, but it can be late. Opening the security page sets a cookie, and the next page that
the user loads fetches their data once.
"""

import logging

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.clerk import api, handshake
from accounts.clerk.api import ClerkApiError
from accounts.security.request_counts import Limit, request_counter
from accounts.sync.apply import apply_user
from audit.log import SYSTEM

log = logging.getLogger(__name__)

COOKIE = "profile_visit"
#: How long after opening the security page a user can return.
LIFETIME_S = 3600
#: The page that the user returns to waits for Clerk at most this long.
TIMEOUT_S = 3.0
#: Clerk limits the requests of all users together, so no user may cause many of them.
LIMIT = Limit("profile visit", 10, 60)


def start(response: HttpResponse, clerk_id: str) -> None:
    """Remember in the browser that the user has opened the security page."""
    if settings.CLERK_SECRET_KEY:
        response.set_signed_cookie(
            COOKIE,
            clerk_id,
            salt=COOKIE,
            max_age=LIFETIME_S,
            httponly=True,
            secure=not settings.LOCAL_MODE,
            samesite="Lax",
        )


def fetch_changes(request: HttpRequest, clerk_id: str) -> bool:
    """Fetch the user if `request` loads the first page after their visit. Return whether it does; then call `finish`."""
    if not _is_first_page(request, clerk_id):
        return False
    if settings.CLERK_SECRET_KEY and not request_counter.wait_s(LIMIT, clerk_id):
        _refresh(clerk_id)
    return True


def finish(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, samesite="Lax")


def _is_first_page(request: HttpRequest, clerk_id: str) -> bool:
    if COOKIE not in request.COOKIES or not handshake.is_eligible(request):
        return False
    visitor = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=LIFETIME_S)
    return visitor == clerk_id and request.path != reverse("accounts:security")


def _refresh(clerk_id: str) -> None:
    """Fetch the user from Clerk, and apply the payload like an event. Errors are logged, because the webhook follows."""
    try:
        payload = api.get_user(clerk_id, page_timeout_s=TIMEOUT_S)
        with transaction.atomic():
            apply_user(payload, actor=SYSTEM)
    except ClerkApiError as error:
        log.warning("User %s was not fetched after a visit to the security page: %s", clerk_id, error)
    except Exception:
        log.exception("User %s was not updated after a visit to the security page.", clerk_id)
