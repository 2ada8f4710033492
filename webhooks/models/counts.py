"""Hourly counts of events and rejected requests, so that queries do not have to count millions of rows."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

#: Retention of the hourly delivery counts by secret.
SECRET_RETENTION = timedelta(days=30)


class EventCount(models.Model):
    """The number of events of one type and state received in one hour; see webhooks.monitoring.hourly_counts."""

    hour = models.DateTimeField(help_text="Start of the hour.")
    event_type = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=16)
    events = models.PositiveIntegerField()
    deliveries = models.PositiveIntegerField(help_text="Number of deliveries, including repeated deliveries.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "event_type", "state"], name="webhooks_count_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.event_type} {self.state}: {self.events}"


class EventTiming(models.Model):
    """A histogram bucket of event durations in one hour, from which percentiles are estimated."""

    class Metric(models.TextChoices):
        APPLY = "apply", "From receipt to applied"
        LAG = "lag", "From the change in Clerk to applied"

    hour = models.DateTimeField()
    metric = models.CharField(max_length=8, choices=Metric)
    bucket = models.PositiveSmallIntegerField(help_text="Index into webhooks.monitoring.hourly_counts.BUCKETS_S.")
    events = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "metric", "bucket"], name="webhooks_timing_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.metric} {self.bucket}: {self.events}"


class AggregationProgress(models.Model):
    """The progress of aggregating events and emptying payloads. The table has a single row."""

    transaction = models.BigIntegerField(
        default=0, help_text="Changes by all transactions before this one have been aggregated."
    )
    aggregated_at = models.DateTimeField(null=True)
    payloads_emptied_before = models.DateTimeField(
        null=True, help_text="Payloads of events received before this time have been emptied."
    )

    def __str__(self) -> str:
        return f"until transaction {self.transaction}"


class RejectionCount(models.Model):
    """The number of requests to the endpoint rejected for one cause in one hour; see webhooks.inbox.rejections."""

    hour = models.DateTimeField()
    cause = models.CharField(max_length=32)
    requests = models.PositiveIntegerField()
    last_at = models.DateTimeField(db_default=Now(), help_text="When the last of these requests arrived.")
    clock_offset_s = models.BigIntegerField(
        null=True, help_text="Seconds from the signed timestamp to our clock, if only the timestamp was rejected."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "cause"], name="webhooks_rejection_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.cause}: {self.requests}"


class RejectedRequest(models.Model):
    """One of the latest rejected requests for a cause, without its body; see webhooks.inbox.rejections."""

    cause = models.CharField(max_length=32)
    at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True, help_text="The client's address, or NULL if it is unknown.")
    size = models.BigIntegerField(help_text="Content-Length of the request.")
    note = models.CharField(max_length=200, blank=True, help_text="A measured value that explains the rejection.")

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.cause} {self.at:%Y-%m-%d %H:%M:%S}"


class SecretCount(models.Model):
    """The number of deliveries verified with one signing secret in one hour; see webhooks.inbox.secret_counts."""

    hour = models.DateTimeField()
    fingerprint = models.CharField(max_length=16)
    deliveries = models.PositiveIntegerField()
    last_at = models.DateTimeField(help_text="When the last of these deliveries arrived.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "fingerprint"], name="webhooks_secret_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00 {self.fingerprint}: {self.deliveries}"
