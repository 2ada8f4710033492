"""Inject faults into responses of the Backend API, to test how the product handles them."""

import random
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from local.clerk.backend_api import rate_limits
from local.clerk.models import FaultInjection

GATEWAY_PAGE = "<html><head><title>503 Service Unavailable</title></head><body>upstream is down</body></html>"


def error(status: int, code: str, message: str, **headers: str) -> JsonResponse:
    """Return an error in Clerk's format, including the trace ID for Clerk support."""
    errors = [{"message": message, "long_message": message, "code": code}]
    body = {"errors": errors, "clerk_trace_id": secrets.token_hex(16)}
    return JsonResponse(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def respond_with_faults(respond: Callable[[], HttpResponse], *, metadata_user_id: str = "") -> HttpResponse:
    """Return the response of `respond`, changed or replaced according to the current fault injection.

    Args:
        metadata_user_id: the user whose metadata the request writes. Metadata updates have a separate rate limit.
    """
    faults = FaultInjection.current()
    time.sleep(faults.api_delay_ms / 1000)
    failure = _outage(faults) or _rate_limit(faults, metadata_user_id) or _rejection(faults, metadata_user_id)
    return failure or _damaged(faults, respond())


def _outage(faults: FaultInjection) -> HttpResponse | None:
    if faults.api_outage:
        return HttpResponse(GATEWAY_PAGE, status=503)
    if _happens(faults.api_fail_percent):
        return error(500, "internal_clerk_error", "Something went wrong. The request was not processed.")
    return None


def _rate_limit(faults: FaultInjection, metadata_user_id: str) -> HttpResponse | None:
    if _happens(faults.api_refuse_percent):
        return _too_many(1)
    default = rate_limits.PRODUCTION if settings.API_KEY.startswith("sk_live_") else rate_limits.DEVELOPMENT
    wait_s = rate_limits.count("", faults.api_limit or default)
    if not wait_s and metadata_user_id:
        wait_s = rate_limits.count(metadata_user_id, faults.api_user_limit or rate_limits.METADATA_PER_USER)
    return _too_many(wait_s) if wait_s else None


def _rejection(faults: FaultInjection, metadata_user_id: str) -> HttpResponse | None:
    if metadata_user_id and faults.api_reject_metadata:
        return error(422, "form_param_value_invalid", "The metadata is rejected by fault injection.")
    return None


def _damaged(faults: FaultInjection, response: HttpResponse) -> HttpResponse:
    if _happens(faults.api_lose_answer_percent):
        return error(500, "internal_clerk_error", "Something went wrong after the request was processed.")
    if _happens(faults.api_garble_percent):
        response.content = response.content[: len(response.content) // 2]
    return response


def _too_many(wait_s: int) -> HttpResponse:
    return error(429, "too_many_requests", "Too many requests. Please try again in a bit.", Retry_After=str(wait_s))


def _happens(percent: int) -> bool:
    return random.random() * 100 < percent  # noqa: S311  # not used for security
