"""The inbox in the Django admin."""

from django.contrib import admin

from webhooks.admin.event_detail import EventDetail
from webhooks.models import WebhookEvent


@admin.register(WebhookEvent)
class WebhookEventAdmin(EventDetail):
    """Verified deliveries, and what became of them."""

    list_display = ("received_at", "event_type", "state", "clerk_user_id", "attempts", "deliveries", "last_error")
    list_filter = ("state", "event_type", "error_class")
    search_fields = ("=svix_id", "=clerk_user_id")
