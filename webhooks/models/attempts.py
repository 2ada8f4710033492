"""Attempts at applying an event."""

from django.db import models
from django.db.models import F

from webhooks.models.errors import HAS_GROUP, ErrorGroup
from webhooks.models.events import WebhookEvent


class Attempt(models.Model):
    """A failed attempt, or any attempt after the first; see webhooks.inbox.attempts.

    A successful first attempt has no row, which saves an insert per webhook. First attempts that failed before this
    table existed are missing.
    """

    class Trigger(models.TextChoices):
        DELIVERY = "delivery", "Delivery"  # by Svix
        RETRY = "retry", "Retry"  # scheduled, or by `manage.py retry_event`
        REPLAY = "replay", "Replay"  # an operator

    event = models.ForeignKey(WebhookEvent, models.CASCADE, related_name="attempt_rows", db_index=False)
    number = models.PositiveIntegerField(help_text="Number of the attempt, starting at 1.")
    started_at = models.DateTimeField()
    duration = models.DurationField()
    outcome = models.CharField(max_length=16, choices=WebhookEvent.State)
    error_class = models.CharField(max_length=16, choices=WebhookEvent.ErrorClass, blank=True)
    error = models.TextField(blank=True, help_text="The event's last error after this attempt.")
    traceback = models.TextField(blank=True, help_text="Traceback without the values of variables.")
    trigger = models.CharField(max_length=16, choices=Trigger)
    error_group = models.ForeignKey(ErrorGroup, models.PROTECT, null=True, db_index=False, related_name="attempts")

    class Meta:
        ordering = ["event", "number"]
        constraints = [
            # Attempts hold the event's lock, so their numbers are unique. The index is also used to find an event's
            # attempts.
            models.UniqueConstraint(fields=["event", "number"], name="webhooks_attempt_number_unique"),
        ]
        indexes = [
            # For an error group's trend, events and users.
            models.Index(F("error_group"), F("started_at"), name="webhooks_attempt_group", condition=HAS_GROUP),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.number} of event {self.event_id}: {self.outcome}"
