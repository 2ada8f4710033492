"""The inbox: one row for each delivery ID."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.db.statements import hot_cursor
from core.db.transactions import CurrentTransaction
from webhooks.models.errors import HAS_GROUP, ErrorGroup

#: Finds, counts and locks repeats in one statement. First deliveries, which are the usual case, have no row yet.
COUNT_REPEATS = """
UPDATE webhooks_webhookevent SET deliveries = deliveries + 1, last_delivery_at = %s WHERE svix_id = ANY(%s)
RETURNING id, svix_id, state
"""
#: Sort key of events without a lag, because they were not applied or their time of occurrence is unknown.
NO_LAG = timedelta(days=-10_000)
LAG = Coalesce(F("processed_at") - F("occurred_at"), Value(NO_LAG), output_field=models.DurationField())
#: Sort key of attempts, then IDs, as one number. Most events have one attempt. For a pair of columns, the planner would
#: consider only the first column, expect no further rows after a page, and scan millions of rows.
ATTEMPTS = models.ExpressionWrapper(F("attempts") * Value(2**40) + F("id"), output_field=models.BigIntegerField())

#: The exception's name, without its message, which may contain personal data.
ERROR_TYPE = models.Func(
    F("last_error"), Value(":"), Value(1), function="split_part", output_field=models.CharField(max_length=2000)
)


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    def unsettled(self) -> "WebhookEventQuerySet":
        """Failed and dead events."""
        return self.filter(state__in=WebhookEvent.UNSETTLED)

    def count_repeats(self, svix_ids: Sequence[str], now: datetime) -> "dict[str, WebhookEvent]":
        """Count repeated deliveries and lock their events until the end of the transaction.

        Returns:
            The events that are stored, by svix-id. Of settled events, only the IDs and the state are loaded.
        """
        with hot_cursor() as cursor:
            cursor.execute(COUNT_REPEATS, [now, list(svix_ids)])
            found = cursor.fetchall()
        events = {svix_id: WebhookEvent(pk=pk, svix_id=svix_id, state=state) for pk, svix_id, state in found}
        unsettled = [event.pk for event in events.values() if not event.is_settled]
        return events | {event.svix_id: event for event in self.filter(pk__in=unsettled)} if unsettled else events


class WebhookEvent(models.Model):
    """A verified delivery and the result of applying it."""

    class State(models.TextChoices):
        PROCESSED = "processed", _("Processed")  # applied
        IGNORED = "ignored", _("Ignored")  # the type has no handler, or the event is from another instance
        STALE = "stale", _("Stale")  # newer data is already stored
        FAILED = "failed", _("Failed")  # a retry is scheduled
        DEAD = "dead", _("Dead")  # no retries are left, or the error is permanent

    class ErrorClass(models.TextChoices):
        TRANSIENT = "transient", "Transient"  # temporary: locks, lost connections, race conditions
        PERMANENT = "permanent", "Permanent"  # the payload is invalid
        CONFIGURATION = "configuration", "Configuration"  # a setting is wrong
        INTERNAL = "internal", "Internal"  # a bug in this application

    SETTLED = (State.PROCESSED, State.IGNORED, State.STALE)
    UNSETTLED = (State.FAILED, State.DEAD)

    svix_id = models.CharField(max_length=255)
    event_type = models.CharField(max_length=100, blank=True)
    payload = models.TextField(null=True, help_text="The exact text that was signed, or NULL if it must not be stored.")
    state = models.CharField(max_length=16, choices=State)
    attempts = models.PositiveIntegerField(default=1, help_text="Number of attempts to apply the event.")
    deliveries = models.PositiveIntegerField(default=1, help_text="Number of deliveries by Svix.")
    last_error = models.TextField(blank=True)
    error_class = models.CharField(max_length=16, choices=ErrorClass, blank=True)
    error_group = models.ForeignKey(
        ErrorGroup,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="events",
        help_text="The group of the error that prevents the event from being applied.",
    )
    occurred_at = models.DateTimeField(null=True, help_text="When the event occurred in Clerk.")
    received_at = models.DateTimeField()
    last_delivery_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, help_text="When the event was settled.")
    next_attempt_at = models.DateTimeField(null=True)
    duration = models.DurationField(
        default=timedelta, help_text="Time from the receipt, or from the start of the retry, to the result."
    )
    clerk_user_id = models.CharField(max_length=64, null=True)
    instance_id = models.CharField(max_length=64, blank=True)
    source_address = models.GenericIPAddressField(
        null=True, help_text="IP address of the sender, which is Svix and not the user."
    )
    headers = models.JSONField(default=dict)
    secret_fingerprint = models.CharField(max_length=16, help_text="Identifier of the signing secret that matched.")
    #: The transaction that last changed a counted column. A trigger sets it; see webhooks.monitoring.hourly_counts.
    changed_in = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        permissions = [("reveal_payload", "Can reveal personal data in payloads")]
        constraints = [
            # The constraint detects duplicates when the row is inserted.
            models.UniqueConstraint(fields=["svix_id"], name="webhooks_event_svix_id_unique"),
            models.CheckConstraint(
                condition=Q(state="failed", next_attempt_at__isnull=False)
                | (~Q(state="failed") & Q(next_attempt_at__isnull=True)),
                name="webhooks_event_failed_retries",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["failed", "dead"]) | Q(processed_at__isnull=False),
                name="webhooks_event_settled_at",
            ),
        ]
        indexes = [
            # Events that need attention, oldest first.
            models.Index(F("received_at"), name="webhooks_event_unsettled", condition=Q(state__in=["failed", "dead"])),
            # For recounting an hour, and for lists ordered by time.
            models.Index(F("received_at"), name="webhooks_event_received"),
            # For finding changes since the last hourly count.
            models.Index(F("changed_in"), name="webhooks_event_changed"),
            # For a user's events.
            models.Index(
                F("clerk_user_id"),
                F("id").desc(),
                name="webhooks_event_user_recent",
                condition=Q(clerk_user_id__isnull=False),
            ),
            # For other sort orders of the admin list.
            models.Index(LAG, F("id"), name="webhooks_event_lag"),
            models.Index(ATTEMPTS, name="webhooks_event_attempts"),
            # For selective filters of the admin list. A scan in sort order would find too few rows.
            models.Index(F("event_type"), F("received_at"), name="webhooks_event_type"),
            models.Index(F("state"), F("received_at"), name="webhooks_event_unusual", condition=~Q(state="processed")),
            models.Index(F("received_at"), name="webhooks_event_error", condition=~Q(error_class="")),
            models.Index(F("source_address"), name="webhooks_event_source"),
            # For an error group's events.
            models.Index(F("error_group"), F("received_at"), name="webhooks_event_group", condition=HAS_GROUP),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'unreadable event'} {self.svix_id}"

    @property
    def is_settled(self) -> bool:
        return self.state in self.SETTLED

    @property
    def lag(self) -> timedelta | None:
        """The time from occurrence in Clerk to settlement here, or None if either is unknown."""
        return self.processed_at - self.occurred_at if self.processed_at and self.occurred_at else None

    def mark_settled(self, state: "WebhookEvent.State", note: str = "") -> None:
        """Set a settled state (processed, ignored or stale) without saving."""
        self.state, self.last_error, self.error_class, self.error_group_id = state, note, "", None
        self.next_attempt_at, self.processed_at = None, timezone.now()

    def mark_failed(self, error: str, error_class: ErrorClass, next_attempt_at: datetime) -> None:
        """Mark the event as failed without saving. It will be retried at `next_attempt_at`."""
        self.state, self.last_error, self.error_class = self.State.FAILED, error, error_class
        self.next_attempt_at, self.processed_at = next_attempt_at, None

    def mark_dead(self, error: str, error_class: ErrorClass) -> None:
        """Mark the event as dead without saving. It will not be retried."""
        self.state, self.last_error, self.error_class = self.State.DEAD, error, error_class
        self.next_attempt_at, self.processed_at = None, None
