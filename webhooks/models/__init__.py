"""The inbox, and what is counted of it."""

from webhooks.models.counts import EventCount, EventTiming, FoldMark, RejectionCount
from webhooks.models.events import WebhookEvent, WebhookEventQuerySet

__all__ = ["EventCount", "EventTiming", "FoldMark", "RejectionCount", "WebhookEvent", "WebhookEventQuerySet"]
