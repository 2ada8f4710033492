"""Admin pages for operators: webhook events, replays, the job queue and alerts."""

from webhooks.admin import alerts, events, queue, replays

__all__ = ["alerts", "events", "queue", "replays"]
