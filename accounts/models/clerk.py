"""Models for the connection to Clerk: ended sessions, rate limits and pending metadata pushes."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class EndedSession(models.Model):
    """A session that has ended in Clerk. Its last token may still be valid for up to a minute."""

    session_id = models.CharField(max_length=64)
    clerk_id = models.CharField(max_length=64)
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [
            # For the check on every signed-in request.
            models.UniqueConstraint(fields=["session_id"], name="accounts_session_id_unique")
        ]
        indexes = [
            # For a user's timeline.
            models.Index(F("clerk_id"), F("id").desc(), name="accounts_session_by_user"),
        ]

    def __str__(self) -> str:
        return self.session_id


class ClerkRateLimit(models.Model):
    """Rate limit and circuit breaker state for requests to Clerk. See accounts.clerk.rate_limiter."""

    name = models.CharField(
        max_length=64, help_text="The instance, or the Clerk ID of a user whose metadata is written."
    )
    next_slot_at = models.DateTimeField(
        help_text="When the next request may be sent if requests are spread evenly over the window."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Consecutive failed requests.")
    suspended_until = models.DateTimeField(null=True, help_text="No request is sent to Clerk before this time.")
    refused_at = models.DateTimeField(null=True, help_text="Since when Clerk has refused the secret key.")
    failed_host = models.CharField(
        max_length=253, db_default="", help_text="Host of the last failed or refused request."
    )
    failed_with = models.CharField(
        max_length=64,
        db_default="",
        help_text="Status code of that request, or the name of the error without an answer.",
    )
    slow_requests = models.PositiveIntegerField(
        db_default=0, help_text="Requests since the last quick answer that were slow or timed out."
    )
    probed_at = models.DateTimeField(null=True, help_text="When a worker last checked the connection.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="accounts_rate_limit_name_unique")]

    def __str__(self) -> str:
        return self.name


class MetadataPush(models.Model):
    """The state of a user's metadata push to Clerk. See accounts.sync.outbox.

    The row does not store the values to push. They are read from the user and the profiles when the push runs.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        DONE = "done", _("Up to date")
        # Clerk permanently rejected the values, and Clerk's roles were restored here.
        REFUSED = "refused", _("Refused by Clerk")
        STOPPED = "stopped", _("Stopped: another system keeps changing the values")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="metadata_push")
    state = models.CharField(max_length=16, choices=State)
    revision = models.PositiveIntegerField(default=1, help_text="Incremented by every local change.")
    requested_at = models.DateTimeField(help_text="When the current or the last push was requested.")
    next_attempt_at = models.DateTimeField(help_text="Earliest time of the next attempt.")
    claimed_until = models.DateTimeField(
        null=True, blank=True, help_text="When a push that is in progress is considered lost."
    )
    attempts = models.PositiveIntegerField(default=0, help_text="Failed attempts since the push was requested.")
    last_error = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)
    bounces = models.PositiveIntegerField(
        default=0, help_text="How many times in a row Clerk returned different values right after a push."
    )

    class Meta:
        verbose_name_plural = "metadata pushes"
        indexes = [
            # For the job that finds due pushes, and for the number of pending pushes.
            models.Index(fields=["next_attempt_at"], name="accounts_push_pending", condition=Q(state="pending")),
            # For the number and the list of abandoned pushes.
            models.Index(
                fields=["requested_at"], name="accounts_push_given_up", condition=Q(state__in=["refused", "stopped"])
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(state="done") | Q(done_at__isnull=False), name="accounts_push_done_at")
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_state_display()}"
