"""The operators' room: the inbox, the queue and alerts in the Django admin."""

from webhooks.admin import alerts, events, queue, replays

__all__ = ["alerts", "events", "queue", "replays"]
