"""The baseline of `make bench`: the same server and middleware, but only the signature check and one insert.

This module contains settings and URLs.
"""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.baseline"


@csrf_exempt
def receive(request: HttpRequest) -> JsonResponse:
    """Verify the signature and insert the event with one statement in autocommit mode."""
    from webhooks.inbox import signatures  # models cannot be imported while settings are loaded
    from webhooks.models import WebhookEvent

    try:
        delivery = signatures.verify(request)
    except signatures.NotVerified as error:
        return JsonResponse({"error": error.reason}, status=400)
    now = timezone.now()
    event = WebhookEvent(
        svix_id=delivery.svix_id,
        payload=delivery.body,
        state=WebhookEvent.State.PROCESSED,
        received_at=now,
        last_delivery_at=now,
        processed_at=now,
        secret_fingerprint=delivery.secret_fingerprint,
    )
    WebhookEvent.objects.bulk_create([event], ignore_conflicts=True)
    return JsonResponse({"outcome": "stored"})


urlpatterns = [path("api/webhooks/clerk", receive)]
