"""Requests to Clerk's Backend API: in turn, retried for a bounded time, and with errors that say what to do."""

import time
from functools import cache
from typing import Any

import httpx
from django.conf import settings
from httpx import codes

from accounts.clerk import rate_limiter

#: The shapes asked for. https://clerk.com/docs/guides/development/upgrading/versioning
API_VERSION = "2026-05-12"
TIMEOUT_S = 10.0
#: For how long one call may go on in all, its waits included; after that it is the queue's business.
PATIENCE_S = 30.0
#: Requests of one call that may fail by Clerk's fault.
ATTEMPTS = 3
#: Seconds before asking again where Clerk does not say.
PAUSE_S = 1.0
#: Statuses that say the request is wrong in itself and will be so tomorrow.
PERMANENT = frozenset({codes.BAD_REQUEST, codes.CONFLICT, codes.REQUEST_ENTITY_TOO_LARGE, codes.UNPROCESSABLE_ENTITY})
#: Statuses that say something about our account at Clerk, and nothing about the request.
ABOUT_THE_KEY = frozenset({codes.UNAUTHORIZED, codes.PAYMENT_REQUIRED, codes.FORBIDDEN})


class ClerkApiError(Exception):
    """Clerk did not give a usable answer; asking again later may help."""


class ClerkRejectedError(ClerkApiError):
    """Clerk will not do what was asked, however often it is asked.

    Attributes:
        code: Clerk's short name for the reason, such as `form_param_format_invalid`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ClerkNotFoundError(ClerkApiError):
    """Clerk does not know what was asked about."""


def ask(method: str, path: str, *, query: Any = None, body: Any = None, paced_by: str = "") -> Any:
    """Make one request and return the JSON of the answer.

    Call it outside of transactions: it can take half a minute.

    Args:
        query, body: as httpx takes `params` and `json`.
        paced_by: the Clerk id of the user whose metadata is written, which Clerk limits for each user.

    Raises:
        ClerkNotFoundError: there is no such thing.
        ClerkRejectedError: Clerk refuses this request for good.
        ClerkApiError: Clerk cannot be reached, is overloaded, refuses our key, or answers what is not JSON.
    """
    what = f"{method} {path}"
    given_up_at = time.monotonic() + PATIENCE_S
    attempt = 0
    while True:
        attempt += 1
        turn = _turn(what, paced_by, given_up_at)
        response = _send(method, path, query, body)
        if isinstance(response, httpx.Response) and not _is_trouble(response):
            rate_limiter.record_success(turn)
            return _content(response, what)
        pause_s = _pause_s(response, attempt)
        _take_note(response, pause_s)
        if attempt == ATTEMPTS or time.monotonic() + pause_s > given_up_at:
            raise ClerkApiError(_complaint(response, what))
        time.sleep(pause_s)


@cache
def client() -> httpx.Client:
    """Return the connections of this process; made when first needed, so never before a fork."""
    return httpx.Client(timeout=TIMEOUT_S, headers={"Clerk-API-Version": API_VERSION}, follow_redirects=False)


def _turn(what: str, paced_by: str, given_up_at: float) -> rate_limiter.Permit:
    """Wait until the request may be made, by the limit of the instance and, if it has one, by its own."""
    is_allowed = not paced_by or rate_limiter.acquire(paced_by, patience_s=given_up_at - time.monotonic())
    turn = rate_limiter.acquire(patience_s=given_up_at - time.monotonic()) if is_allowed else None
    if turn is None:
        raise ClerkApiError(f"{what} was not sent: Clerk has been failing, or its limit is used up. Try again later.")
    return turn


def _send(method: str, path: str, query: Any, body: Any) -> httpx.Response | httpx.HTTPError:
    headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"}
    url = f"{settings.CLERK_API_URL}{path}"
    try:
        return client().request(method, url, params=query, json=body, headers=headers)
    except httpx.HTTPError as error:
        return error


def _is_trouble(response: httpx.Response) -> bool:
    """Return whether Clerk could not do at all what it was asked, rightly or wrongly."""
    return response.status_code == codes.TOO_MANY_REQUESTS or response.is_server_error


def _take_note(response: httpx.Response | httpx.HTTPError, pause_s: float) -> None:
    if isinstance(response, httpx.Response) and response.status_code == codes.TOO_MANY_REQUESTS:
        rate_limiter.pause(min(pause_s, PATIENCE_S))
    else:
        rate_limiter.record_failure()


def _pause_s(response: httpx.Response | httpx.HTTPError, attempt: int) -> float:
    asked = response.headers.get("Retry-After", "") if isinstance(response, httpx.Response) else ""
    return float(asked) if asked.isascii() and asked.isdecimal() else PAUSE_S * 2.0 ** (attempt - 1)


def _content(response: httpx.Response, what: str) -> Any:
    """Return the JSON of an answer, or raise what its status means."""
    status = response.status_code
    if status == codes.NOT_FOUND:
        raise ClerkNotFoundError(_complaint(response, what))
    if status in ABOUT_THE_KEY:
        raise ClerkApiError(f"{_complaint(response, what)} Compare CLERK_SECRET_KEY with Clerk's API keys page.")
    if status in PERMANENT:
        raise ClerkRejectedError(_complaint(response, what), code=_first_error(response).get("code") or str(status))
    if not response.is_success:
        raise ClerkApiError(_complaint(response, what))
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise ClerkApiError(f"Clerk's answer to {what} is not JSON: {error}") from None


def _complaint(response: httpx.Response | httpx.HTTPError, what: str) -> str:
    """Return a sentence about an answer, with the id by which Clerk's support finds the request."""
    if not isinstance(response, httpx.Response):
        return f"Clerk cannot be reached for {what}: {str(response) or type(response).__name__}."
    error = _first_error(response)
    reason = error.get("long_message") or error.get("message") or response.text[:200]
    code = f" {error['code']}" if error.get("code") else ""
    trace = _json_object(response).get("clerk_trace_id")
    return f"Clerk answered {what} with {response.status_code}{code}: {reason}{f' (trace {trace})' if trace else ''}."


def _first_error(response: httpx.Response) -> dict[str, Any]:
    errors = _json_object(response).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return first if isinstance(first, dict) else {}


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
