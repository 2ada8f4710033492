"""The inbox in the Django admin."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from webhooks.admin.repair import RepairMixin
from webhooks.models import WebhookEvent


@admin.register(WebhookEvent)
class WebhookEventAdmin(RepairMixin, ReadOnlyAdmin):
    """Verified deliveries, and what became of them."""

    list_display = ("received_at", "event_type", "state", "clerk_user_id", "attempts", "deliveries", "last_error")
    list_filter = ("state", "event_type", "error_class")
    search_fields = ("=svix_id", "=clerk_user_id")
