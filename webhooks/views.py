"""The endpoint Clerk posts to."""

import logging

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from structlog.contextvars import bind_contextvars

from core.client_ip import get_client_ip
from webhooks.inbox import ip_allowlist, signatures
from webhooks.inbox import service as inbox
from webhooks.inbox.rejections import rejection_counter

log = logging.getLogger(__name__)

#: Svix takes about 350 kB a message; user events have 2 to 6 kB.
MAX_BODY_BYTES = 512 * 1024
#: Kept with the event. The signature is not: what it proves is proven, and it need not lie about.
KEPT_HEADERS = (
    "User-Agent",
    "Content-Type",
    "Content-Length",
    "Svix-Timestamp",
    "Webhook-Timestamp",
    "X-Forwarded-For",
)


# The status codes are a contract with Svix, which takes any 2xx within 15 s as delivered, sends everything else again
# for more than a day, and disables an endpoint that fails for five (docs.svix.com/retries). So whatever is safely
# stored is answered 200, also when applying it failed: from there on the retries are ours.
@csrf_exempt  # there is no browser at the other end; the signature proves who it is
@transaction.non_atomic_requests  # the inbox decides what is committed together
@never_cache
def receive(request: HttpRequest) -> HttpResponseBase:
    """Take in one signed delivery and answer what became of it."""
    if request.method != "POST":
        return JsonResponse({"error": "method_not_allowed"}, status=405, headers={"Allow": "POST"})
    if _content_length(request) > MAX_BODY_BYTES:
        return _refused(request, "too_large", status=413)
    if not ip_allowlist.is_allowed(get_client_ip(request)):
        return _refused(request, "address_not_allowed", status=403)
    try:
        delivery = signatures.verify(request)
        bind_contextvars(delivery_id=delivery.svix_id)  # for what is logged from here on
        outcome = inbox.receive(delivery, _sender(request))
    except signatures.NotVerified as error:
        return _refused(request, error.reason, status=400)
    except signatures.NotConfigured as error:
        log.error("A webhook could not be verified: %s", error)
        return JsonResponse({"error": "not_configured"}, status=500)
    except inbox.Unavailable as error:
        log.error("A webhook could not be stored, and Svix will send it again: %s", error)
        return JsonResponse({"error": "unavailable"}, status=503)
    return JsonResponse({"outcome": outcome})


def _refused(request: HttpRequest, reason: str, *, status: int) -> JsonResponse:
    rejection_counter.count(reason)
    log.warning(
        "Refused a webhook from %s: %s. Check CLERK_WEBHOOK_SECRET, and the clock, if Clerk sent it.",
        get_client_ip(request),
        reason,
    )
    return JsonResponse({"error": reason}, status=status)


def _content_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text[:20]) if text.isdecimal() else 0  # Python refuses to read thousands of digits


def _sender(request: HttpRequest) -> inbox.Sender:
    # A server in front may let NUL through, which PostgreSQL refuses.
    headers = {
        name: request.headers[name][:500].replace("\x00", "\ufffd") for name in KEPT_HEADERS if name in request.headers
    }
    return inbox.Sender(get_client_ip(request), headers)
