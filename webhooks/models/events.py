"""The inbox: one row for each delivery id, with everything the dashboard tells about it."""

from datetime import datetime, timedelta

from django.db import connection, models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from core.db.transactions import CurrentTransaction

#: A repeat is counted, locked and recognised in one statement, which finds nothing for the many that are none.
COUNT_REPEAT = """
UPDATE webhooks_webhookevent SET deliveries = deliveries + 1, last_delivery_at = %s WHERE svix_id = %s
RETURNING id, state
"""
#: In the order of lags, where events stand that have none, because they were not applied or do not say when they happened.
NO_LAG = timedelta(days=-10_000)
LAG = Coalesce(F("processed_at") - F("occurred_at"), Value(NO_LAG), output_field=models.DurationField())
#: The order of attempts, and of ids among the many that had one. As one number PostgreSQL knows how many stand behind a place;
#: of a pair it looks at the first half only, takes them for none, and walks millions.
ATTEMPTS = models.ExpressionWrapper(F("attempts") * Value(2**40) + F("id"), output_field=models.BigIntegerField())


class WebhookEventQuerySet(models.QuerySet["WebhookEvent"]):
    def unsettled(self) -> "WebhookEventQuerySet":
        """Events that have not had their effect yet and should: failed and dead ones."""
        return self.filter(state__in=WebhookEvent.UNSETTLED)

    def count_repeat(self, svix_id: str, now: datetime) -> "WebhookEvent | None":
        """Count one more delivery of a stored event and lock it until the end of the transaction.

        Returns:
            The event; only id and state are loaded if it is settled. None if it is not stored.
        """
        with connection.cursor() as cursor:
            cursor.execute(COUNT_REPEAT, [now, svix_id])
            found = cursor.fetchone()
        if found is None:
            return None
        pk, state = found
        return WebhookEvent(pk=pk, state=state) if state in WebhookEvent.SETTLED else self.get(pk=pk)


class WebhookEvent(models.Model):
    """A verified delivery, and what became of it."""

    class State(models.TextChoices):
        PROCESSED = "processed", "Processed"  # it had its effect
        IGNORED = "ignored", "Ignored"  # nothing here acts upon it
        STALE = "stale", "Stale"  # newer facts were known already
        FAILED = "failed", "Failed"  # a retry is scheduled
        DEAD = "dead", "Dead"  # retries are spent, or no retry can cure it

    class ErrorClass(models.TextChoices):
        TRANSIENT = "transient", "Transient"  # goes away by itself: locks, lost connections, rivals
        PERMANENT = "permanent", "Permanent"  # the payload itself is wrong
        CONFIGURATION = "configuration", "Configuration"  # a setting is wrong
        INTERNAL = "internal", "Internal"  # a fault of ours

    SETTLED = (State.PROCESSED, State.IGNORED, State.STALE)
    UNSETTLED = (State.FAILED, State.DEAD)

    svix_id = models.CharField(max_length=255)
    event_type = models.CharField(max_length=100, blank=True)
    payload = models.TextField(null=True, help_text="The text exactly as signed; NULL where none may be kept.")
    state = models.CharField(max_length=16, choices=State)
    attempts = models.PositiveIntegerField(default=1, help_text="How often it was applied or tried.")
    deliveries = models.PositiveIntegerField(default=1, help_text="How often Svix delivered it.")
    last_error = models.TextField(blank=True)
    error_class = models.CharField(max_length=16, choices=ErrorClass, blank=True)
    occurred_at = models.DateTimeField(null=True, help_text="When it happened at Clerk.")
    received_at = models.DateTimeField()
    last_delivery_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, help_text="When it was settled.")
    next_attempt_at = models.DateTimeField(null=True)
    duration = models.DurationField(
        default=timedelta, help_text="Time from receipt, or start of the retry, to settled."
    )
    clerk_user_id = models.CharField(max_length=64, null=True)
    instance_id = models.CharField(max_length=64, blank=True)
    source_address = models.GenericIPAddressField(null=True, help_text="Whoever posted it: Svix, not the person.")
    headers = models.JSONField(default=dict)
    secret_fingerprint = models.CharField(max_length=16, help_text="Which signing secret matched.")
    #: The transaction that last changed what is counted of it; a trigger sets it, so that no writer can forget. See rollups.
    changed_in = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    objects = WebhookEventQuerySet.as_manager()

    class Meta:
        permissions = [("reveal_payload", "Can reveal personal values in payloads")]
        constraints = [
            # The insert is the dedupe.
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
            # What needs attention, oldest first.
            models.Index(F("received_at"), name="webhooks_event_unsettled", condition=Q(state__in=["failed", "dead"])),
            # The hour that is counted anew, and lists by time.
            models.Index(F("received_at"), name="webhooks_event_received"),
            # What changed since the hours were last counted.
            models.Index(F("changed_in"), name="webhooks_event_changed"),
            # The events of one person.
            models.Index(
                F("clerk_user_id"),
                F("id").desc(),
                name="webhooks_event_user_recent",
                condition=Q(clerk_user_id__isnull=False),
            ),
            # The admin's list in its other orders.
            models.Index(LAG, F("id"), name="webhooks_event_lag"),
            models.Index(ATTEMPTS, name="webhooks_event_attempts"),
            # What the list is filtered by, where walking it in its order would find too little.
            models.Index(F("event_type"), F("received_at"), name="webhooks_event_type"),
            models.Index(F("state"), F("received_at"), name="webhooks_event_unusual", condition=~Q(state="processed")),
            models.Index(F("received_at"), name="webhooks_event_error", condition=~Q(error_class="")),
            models.Index(F("source_address"), name="webhooks_event_source"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'unreadable event'} {self.svix_id}"

    @property
    def is_settled(self) -> bool:
        """Whether a repeat has nothing left to do."""
        return self.state in self.SETTLED

    @property
    def lag(self) -> timedelta | None:
        """The time from what happened at Clerk until it was applied here; None while it is not, or where it is not said."""
        return self.processed_at - self.occurred_at if self.processed_at and self.occurred_at else None

    def mark_settled(self, state: "WebhookEvent.State", note: str = "") -> None:
        """Set, without saving, that it is done with: processed, ignored or stale."""
        self.state, self.last_error, self.error_class = state, note, ""
        self.next_attempt_at, self.processed_at = None, timezone.now()

    def mark_failed(self, error: str, error_class: ErrorClass, next_attempt_at: datetime) -> None:
        """Set, without saving, that it is tried again at `next_attempt_at`."""
        self.state, self.last_error, self.error_class = self.State.FAILED, error, error_class
        self.next_attempt_at, self.processed_at = next_attempt_at, None

    def mark_dead(self, error: str, error_class: ErrorClass) -> None:
        """Set, without saving, that only a person can help."""
        self.state, self.last_error, self.error_class = self.State.DEAD, error, error_class
        self.next_attempt_at, self.processed_at = None, None
