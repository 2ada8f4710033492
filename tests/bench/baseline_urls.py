"""The URLs of the product, with a view for webhooks that verifies the signature and stores the delivery."""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from config import urls
from webhooks.inbox import signatures
from webhooks.models import WebhookEvent


@csrf_exempt
def receive(request: HttpRequest) -> JsonResponse:
    """Verify the signature and insert the event with one statement in autocommit mode."""
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


urlpatterns = [path("api/webhooks/clerk", receive), *urls.urlpatterns]
