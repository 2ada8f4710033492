"""The webhook endpoint."""

import logging

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from structlog.contextvars import bind_contextvars

from core.client_ip import get_client_ip
from core.text import postgres_safe
from webhooks.inbox import ip_allowlist, signatures
from webhooks.inbox import service as inbox
from webhooks.inbox.deliveries import Sender
from webhooks.inbox.rejections import rejection_counter
from webhooks.inbox.secret_counts import secret_counter
from webhooks.inbox.unavailable import Unavailable

log = logging.getLogger(__name__)

#: Svix accepts messages of up to about 350 kB. User events are 2 to 6 kB.
MAX_BODY_BYTES = 512 * 1024
#: Senders other than Svix, which has its own schedule, should wait this long after a 503 response.
RETRY_AFTER_S = "5"
#: The signature is not stored: it has been verified and is not needed again.
STORED_HEADERS = (
    "User-Agent",
    "Content-Type",
    "Content-Length",
    "Svix-Timestamp",
    "Webhook-Timestamp",
    "X-Forwarded-For",
)


# The status codes are a contract with Svix. Any 2xx within 15 s is a successful delivery. Svix retries
# all others for more than a day, and disables an endpoint that fails for five days (docs.svix.com/retries). The
# response to a stored delivery is 200 even if the event could not be applied, because this application retries it.
@csrf_exempt  # the client is not a browser, and the signature authenticates it
@transaction.non_atomic_requests  # the inbox manages its own transactions
@never_cache
def receive(request: HttpRequest) -> HttpResponseBase:
    """Store and apply one signed delivery, and respond with the outcome."""
    if request.method != "POST":
        return JsonResponse({"error": "method_not_allowed"}, status=405, headers={"Allow": "POST"})
    if _content_length(request) > MAX_BODY_BYTES:
        return _rejected(request, "too_large", status=413)
    if not ip_allowlist.is_allowed(get_client_ip(request)):
        return _rejected(request, "address_not_allowed", status=403)
    try:
        delivery = signatures.verify(request)
        secret_counter.count(delivery.secret_fingerprint)
        bind_contextvars(delivery_id=delivery.svix_id)  # added to all subsequent log lines of this request
        outcome = inbox.receive(delivery, _sender(request))
    except signatures.NotVerified as error:
        return _rejected(request, error.reason, status=400, clock_offset_s=error.clock_offset_s)
    except signatures.NotConfigured as error:
        _count(request, "not_configured")
        log.error("A webhook could not be verified: %s", error, extra={"cause": f"{request.path} not_configured"})
        return JsonResponse({"error": "not_configured"}, status=500)
    except Unavailable as error:
        _count(request, error.cause)
        log.error("A webhook could not be stored (%s); Svix will send it again: %s", error.cause, error)
        return JsonResponse({"error": "unavailable"}, status=503, headers={"Retry-After": RETRY_AFTER_S})
    return JsonResponse({"outcome": outcome})


def _rejected(request: HttpRequest, reason: str, *, status: int, clock_offset_s: int | None = None) -> JsonResponse:
    _count(request, reason, clock_offset_s)
    log.warning(
        "Rejected a webhook from %s: %s. If Clerk sent it, check CLERK_WEBHOOK_SECRET and the clock of this server.",
        get_client_ip(request),
        reason,
        extra={"cause": f"{request.path} {reason}"},
    )
    return JsonResponse({"error": reason}, status=status)


def _count(request: HttpRequest, cause: str, clock_offset_s: int | None = None) -> None:
    rejection_counter.count(cause, clock_offset_s, address=get_client_ip(request), size=_content_length(request))


def _content_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text[:20]) if text.isdecimal() else 0  # int() raises ValueError on thousands of digits


def _sender(request: HttpRequest) -> Sender:
    # A proxy may not remove NUL, which PostgreSQL cannot store.
    headers = {name: postgres_safe(request.headers[name][:500]) for name in STORED_HEADERS if name in request.headers}
    return Sender(get_client_ip(request), headers)
