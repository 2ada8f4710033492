"""Admin pages for operators: webhook events, replays, jobs, error groups and alerts."""

from webhooks.admin import alerts, error_groups
from webhooks.admin.events import admin as events
from webhooks.admin.jobs import admin as jobs
from webhooks.admin.repairs import replays

__all__ = ["alerts", "error_groups", "events", "jobs", "replays"]
