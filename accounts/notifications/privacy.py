"""Export and erase a user's notifications, email preferences and known devices."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import KnownDevice, Notification, NotificationPreferences, User
from core.personal_data import export_rows

MODELS = (Notification, NotificationPreferences, KnownDevice)
#: How long notifications are kept. Svix can send an event again for 90 days.
RETENTION = timedelta(days=180)


def export(user: User) -> dict[str, list[dict[str, Any]]]:
    sent, chosen, devices = (model._default_manager.filter(user=user).order_by("pk") for model in MODELS)
    return {
        "notifications": export_rows(sent, exclude={"id", "user_id", "queued_at"}),
        "notification_preferences": export_rows(chosen, exclude={"id", "user_id"}),
        "known_devices": export_rows(devices, exclude={"id", "user_id"}),
    }


def erase(user: User) -> None:
    for model in MODELS:
        model._default_manager.filter(user=user).delete()


def delete_expired() -> None:
    Notification.objects.filter(created_at__lte=timezone.now() - RETENTION).delete()
