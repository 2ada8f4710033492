"""The inbox, and what is counted of it."""

from webhooks.models.alerts import Alert, Notice
from webhooks.models.attempts import Attempt
from webhooks.models.counts import EventCount, EventTiming, FoldMark, RejectionCount
from webhooks.models.events import WebhookEvent, WebhookEventQuerySet
from webhooks.models.replays import Replay, ReplayBatch, ReplayFinding

__all__ = [
    "Alert",
    "Attempt",
    "EventCount",
    "EventTiming",
    "FoldMark",
    "Notice",
    "RejectionCount",
    "Replay",
    "ReplayBatch",
    "ReplayFinding",
    "WebhookEvent",
    "WebhookEventQuerySet",
]
