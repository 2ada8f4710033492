"""The notification channels that fail."""

from django.db import models
from django.utils import timezone


class ChannelFailure(models.Model):
    """A notification channel that has not accepted a message since `since`. The next accepted message deletes the row."""

    channel = models.CharField(max_length=32, help_text="The channel's scheme and a digest of its URL.")
    since = models.DateTimeField(default=timezone.now, help_text="When the first of these attempts failed.")
    attempts = models.PositiveIntegerField(default=1, help_text="The number of failed attempts in a row.")
    error = models.CharField(max_length=300, help_text="The error of the last attempt.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel"], name="webhooks_channel_failure_unique")]

    def __str__(self) -> str:
        return f"{self.channel}: {self.error}"
