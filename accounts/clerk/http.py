"""HTTP requests to Clerk's Backend API, with rate limits, time-limited retries and actionable error messages."""

import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from httpx import codes

from accounts.clerk import rate_limiter

#: Fixes the structure of Clerk's responses. https://clerk.com/docs/guides/development/upgrading/versioning
API_VERSION = "2026-05-12"
TIMEOUT_S = 10.0
#: Slower requests are reported, because requests that take twice as long fail.
SLOW_S = TIMEOUT_S / 2
#: Timeout for probes, which are small requests. A slower response counts as an outage, because every push and fetch
#: would be just as slow.
PROBE_TIMEOUT_S = SLOW_S
#: Maximum total time for one call, including waits and retries. After that, the task queue retries.
MAX_TOTAL_S = 30.0
MAX_ATTEMPTS = 3
#: Delay before the first retry if Clerk sends no Retry-After. The delay doubles with each retry.
RETRY_DELAY_S = 1.0
#: The request is invalid and must not be retried.
PERMANENT_ERRORS = frozenset(
    {codes.BAD_REQUEST, codes.CONFLICT, codes.REQUEST_ENTITY_TOO_LARGE, codes.UNPROCESSABLE_ENTITY}
)
#: There is a problem with the secret key or the Clerk account. The request may be valid.
ACCOUNT_ERRORS = frozenset({codes.UNAUTHORIZED, codes.PAYMENT_REQUIRED, codes.FORBIDDEN})


class ClerkApiError(Exception):
    """Clerk did not return a usable response. The request can be retried later."""


class ClerkRejectedError(ClerkApiError):
    """Clerk rejected the request permanently. It must not be retried.

    Attributes:
        code: Clerk's error code, such as `form_param_format_invalid`.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ClerkNotFoundError(ClerkApiError):
    """The resource does not exist in Clerk."""


def request(
    method: str,
    path: str,
    *,
    query: Any = None,
    body: Any = None,
    rate_limit_key: str = "",
    page_timeout_s: float | None = None,
) -> Any:
    """Send a request to the Backend API and return the response's JSON.

    Call this outside transactions, because it can take half a minute.

    Args:
        query, body: `params` and `json` for httpx.
        rate_limit_key: the Clerk ID of the user whose metadata is written. Clerk limits metadata writes per user.
        page_timeout_s: give up after this time and without a retry, because a page is waiting.

    Raises:
        ClerkNotFoundError: the resource does not exist.
        ClerkRejectedError: Clerk rejected this request permanently.
        ClerkApiError: Clerk is unreachable or overloaded, rejects the secret key, or returns something other than JSON. Or
            the request would change something and this is not the live site.
    """
    description = f"{method} {path}"
    if method != "GET" and not settings.LIVE_SITE:
        raise ClerkApiError(f"{description} was not sent, because LIVE_SITE is off. Set LIVE_SITE=on on the live site.")
    timeout_s, max_attempts = (page_timeout_s, 1) if page_timeout_s else (TIMEOUT_S, MAX_ATTEMPTS)
    deadline = time.monotonic() + (page_timeout_s or MAX_TOTAL_S)
    attempt = 0
    while True:
        attempt += 1
        permit = _acquire_permit(description, rate_limit_key, deadline)
        response, is_slow = _send(method, path, query, body, timeout_s=timeout_s)
        if isinstance(response, httpx.Response) and not _is_retryable(response):
            _report_answer(response, permit, is_slow=is_slow)
            return _parse(response, description)
        delay_s = _retry_delay_s(response, attempt)
        _report_failure(response, delay_s, is_slow=is_slow)
        if attempt == max_attempts or time.monotonic() + delay_s > deadline:
            raise ClerkApiError(_error_message(response, description))
        time.sleep(delay_s)


def probe() -> bool:
    """Send one cheap request, also while the circuit is open, record the result and return whether Clerk responded.

    The circuit therefore closes soon after an outage ends, and an outage is noticed without other requests.
    """
    permit = rate_limiter.acquire(max_wait_s=0) or rate_limiter.Permit(failures=1)
    response, is_slow = _send("GET", "/v1/users", {"limit": 1}, None, timeout_s=PROBE_TIMEOUT_S)
    rate_limiter.record_probe()
    if isinstance(response, httpx.Response) and not _is_retryable(response):
        _report_answer(response, permit, is_slow=is_slow)
        return True
    _report_failure(response, _retry_delay_s(response, attempt=1), is_slow=is_slow)
    return False


@cache
def client() -> httpx.Client:
    """Return this process's HTTP client. It is created on first use, and therefore after gunicorn has forked."""
    return httpx.Client(timeout=TIMEOUT_S, headers={"Clerk-API-Version": API_VERSION}, follow_redirects=False)


def _acquire_permit(description: str, rate_limit_key: str, deadline: float) -> rate_limiter.Permit:
    is_allowed = not rate_limit_key or rate_limiter.acquire(rate_limit_key, max_wait_s=deadline - time.monotonic())
    permit = rate_limiter.acquire(max_wait_s=deadline - time.monotonic()) if is_allowed else None
    if permit is None:
        raise ClerkApiError(
            f"{description} was not sent, because Clerk has been failing or its rate limit is used up. Try again later."
        )
    return permit


def _send(
    method: str, path: str, query: Any, body: Any, *, timeout_s: float = TIMEOUT_S
) -> tuple[httpx.Response | httpx.HTTPError, bool]:
    """Send a request. Return the response or error, and whether the request was slow."""
    headers = {"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"}
    url = f"{settings.CLERK_API_URL}{path}"
    started = time.monotonic()
    response: httpx.Response | httpx.HTTPError
    try:
        response = client().request(method, url, params=query, json=body, headers=headers, timeout=timeout_s)
    except httpx.HTTPError as error:
        response = error
    return response, time.monotonic() - started >= SLOW_S


def _is_retryable(response: httpx.Response) -> bool:
    return response.status_code == codes.TOO_MANY_REQUESTS or response.is_server_error


def _report_answer(response: httpx.Response, permit: rate_limiter.Permit, *, is_slow: bool) -> None:
    if response.status_code in ACCOUNT_ERRORS:
        rate_limiter.record_refusal(_failure(response), is_slow=is_slow)
    else:
        rate_limiter.record_success(permit, is_slow=is_slow)


def _report_failure(response: httpx.Response | httpx.HTTPError, delay_s: float, *, is_slow: bool) -> None:
    if isinstance(response, httpx.Response) and response.status_code == codes.TOO_MANY_REQUESTS:
        rate_limiter.pause(min(delay_s, MAX_TOTAL_S))
    else:
        rate_limiter.record_failure(_failure(response), is_slow=is_slow)


def _failure(response: httpx.Response | httpx.HTTPError) -> rate_limiter.Failure:
    reason = str(response.status_code) if isinstance(response, httpx.Response) else type(response).__name__
    return rate_limiter.Failure(urlsplit(settings.CLERK_API_URL).hostname or "", reason)


def _retry_delay_s(response: httpx.Response | httpx.HTTPError, attempt: int) -> float:
    retry_after = response.headers.get("Retry-After", "") if isinstance(response, httpx.Response) else ""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    return RETRY_DELAY_S * 2.0 ** (attempt - 1)


def _parse(response: httpx.Response, description: str) -> Any:
    status = response.status_code
    if response.is_success:
        return _decode(response, description)
    message = _error_message(response, description)
    if status == codes.NOT_FOUND:
        raise ClerkNotFoundError(message)
    if status in ACCOUNT_ERRORS:
        raise ClerkApiError(f"{message} Compare CLERK_SECRET_KEY with the API keys page of Clerk's dashboard.")
    if status in PERMANENT_ERRORS:
        raise ClerkRejectedError(message, code=_first_error(response).get("code") or str(status))
    raise ClerkApiError(message)


def _decode(response: httpx.Response, description: str) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        raise ClerkApiError(f"Clerk's response to {description} is not JSON: {error}") from None


def _error_message(response: httpx.Response | httpx.HTTPError, description: str) -> str:
    """Describe a failure, including the trace id that Clerk support needs to find the request."""
    if not isinstance(response, httpx.Response):
        return f"{description} could not reach Clerk: {str(response) or type(response).__name__}."
    error = _first_error(response)
    reason = error.get("long_message") or error.get("message") or response.text[:200]
    code = f" {error['code']}" if error.get("code") else ""
    trace = _json_object(response).get("clerk_trace_id")
    return f"Clerk answered {description} with {response.status_code}{code}: {reason}{f' (trace {trace})' if trace else ''}."


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
