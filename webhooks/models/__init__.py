"""The models of the webhook app."""

from webhooks.models.alerts import Alert, AlertCheck, Notification
from webhooks.models.attempts import Attempt
from webhooks.models.channels import ChannelFailure
from webhooks.models.counts import (
    AggregationProgress,
    EventCount,
    EventTiming,
    RejectedRequest,
    RejectionCount,
    SecretCount,
)
from webhooks.models.diagnostics import CheckResult, HostReport
from webhooks.models.errors import ErrorGroup, JobFailure
from webhooks.models.events import WebhookEvent, WebhookEventQuerySet
from webhooks.models.jobs import Job
from webhooks.models.maintenance import MaintenanceWindow
from webhooks.models.replays import Replay, ReplayBatch, ReplayFinding

__all__ = [
    "AggregationProgress",
    "Alert",
    "AlertCheck",
    "Attempt",
    "ChannelFailure",
    "CheckResult",
    "ErrorGroup",
    "EventCount",
    "EventTiming",
    "HostReport",
    "Job",
    "JobFailure",
    "MaintenanceWindow",
    "Notification",
    "RejectedRequest",
    "RejectionCount",
    "Replay",
    "ReplayBatch",
    "ReplayFinding",
    "SecretCount",
    "WebhookEvent",
    "WebhookEventQuerySet",
]
