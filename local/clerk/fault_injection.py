"""The trouble that requests of servers are given: what a client of the Backend API has to live with."""

import random
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from local.clerk import limits
from local.clerk.models import Trouble

GATEWAY_PAGE = "<html><head><title>503 Service Unavailable</title></head><body>upstream is away</body></html>"


def error(status: int, code: str, message: str, **headers: str) -> JsonResponse:
    """Return an error in Clerk's shape, with the id by which its support would find the request."""
    errors = [{"message": message, "long_message": message, "code": code}]
    body = {"errors": errors, "clerk_trace_id": secrets.token_hex(16)}
    return JsonResponse(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def endured(request: HttpRequest, answer: Callable[[], HttpResponse], *, metadata_of: str = "") -> HttpResponse:
    """Return the answer, or what becomes of it in the trouble that was chosen.

    Args:
        metadata_of: the user whose metadata is written, which is limited by itself.
    """
    trouble = Trouble.current()
    time.sleep(trouble.api_delay_ms / 1000)
    refusal = _outage(trouble) or _limit(trouble, metadata_of) or _refusal(trouble, metadata_of)
    return refusal or _mangled(trouble, answer())


def _outage(trouble: Trouble) -> HttpResponse | None:
    if trouble.api_outage:
        return HttpResponse(GATEWAY_PAGE, status=503)
    if _happens(trouble.api_fail_percent):
        return error(500, "internal_clerk_error", "Something went wrong, and nothing was done.")
    return None


def _limit(trouble: Trouble, metadata_of: str) -> HttpResponse | None:
    if _happens(trouble.api_refuse_percent):
        return _too_many(1)
    of_instance = limits.PRODUCTION if settings.API_KEY.startswith("sk_live_") else limits.DEVELOPMENT
    wait_s = limits.wait_s("", trouble.api_limit or of_instance)
    if not wait_s and metadata_of:
        wait_s = limits.wait_s(metadata_of, trouble.api_user_limit or limits.METADATA_OF_ONE_USER)
    return _too_many(wait_s) if wait_s else None


def _refusal(trouble: Trouble, metadata_of: str) -> HttpResponse | None:
    if metadata_of and trouble.api_reject_metadata:
        return error(422, "form_param_value_invalid", "The metadata is refused, because that was asked for.")
    return None


def _mangled(trouble: Trouble, answer: HttpResponse) -> HttpResponse:
    if _happens(trouble.api_lose_answer_percent):
        return error(500, "internal_clerk_error", "Something went wrong after all was done.")
    if _happens(trouble.api_garble_percent):
        answer.content = answer.content[: len(answer.content) // 2]
    return answer


def _too_many(wait_s: int) -> HttpResponse:
    return error(429, "too_many_requests", "Too many requests. Please try again in a bit.", Retry_After=str(wait_s))


def _happens(percent: int) -> bool:
    return random.random() * 100 < percent  # noqa: S311  # chance, not secrecy
