"""Admin pages for operators: webhook events, replays, jobs, error groups and alerts."""

from webhooks.admin import alerts, error_groups, events, jobs, replays

__all__ = ["alerts", "error_groups", "events", "jobs", "replays"]
