"""What is counted of events and of refused requests, hour by hour, so that nothing ever counts millions of rows."""

from django.db import models


class EventCount(models.Model):
    """How many events of one type, received in one hour, are in one state; see webhooks.monitoring.hourly_counts."""

    hour = models.DateTimeField(help_text="When the hour began.")
    event_type = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=16)
    events = models.PositiveIntegerField()
    deliveries = models.PositiveIntegerField(help_text="With repeats.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "event_type", "state"], name="webhooks_count_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.event_type} {self.state}: {self.events}"


class EventTiming(models.Model):
    """How many events of one hour took about so long; percentiles are read from it."""

    class What(models.TextChoices):
        APPLY = "apply", "From receipt to applied"
        LAG = "lag", "From what happened at Clerk to applied"

    hour = models.DateTimeField()
    what = models.CharField(max_length=8, choices=What)
    bucket = models.PositiveSmallIntegerField(help_text="Which step of webhooks.monitoring.hourly_counts.STEPS_S.")
    events = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "what", "bucket"], name="webhooks_timing_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.what} {self.bucket}: {self.events}"


class FoldMark(models.Model):
    """How far events were counted, and their payloads emptied. There is one row."""

    transaction = models.BigIntegerField(
        default=0, help_text="All that changed in transactions before this one is counted."
    )
    folded_at = models.DateTimeField(null=True)
    emptied_before = models.DateTimeField(null=True, help_text="Events received before this have no payload any more.")

    def __str__(self) -> str:
        return f"until transaction {self.transaction}"


class RejectionCount(models.Model):
    """How many requests to the endpoint were refused for one cause in one hour; see webhooks.inbox.rejections."""

    hour = models.DateTimeField()
    cause = models.CharField(max_length=32)
    requests = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "cause"], name="webhooks_rejection_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.cause}: {self.requests}"
