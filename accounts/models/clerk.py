"""What is remembered of Clerk besides people: sessions that are over, how fast it may be asked, what it is to be told."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class EndedSession(models.Model):
    """A session at Clerk that is over, although a token of it may live for another minute."""

    session_id = models.CharField(max_length=64)
    clerk_id = models.CharField(max_length=64)
    ended_at = models.DateTimeField()

    class Meta:
        constraints = [
            # Looked up with every request of somebody who is signed in.
            models.UniqueConstraint(fields=["session_id"], name="accounts_session_id_unique")
        ]
        indexes = [
            # One person's story.
            models.Index(F("clerk_id"), F("id").desc(), name="accounts_session_by_user"),
        ]

    def __str__(self) -> str:
        return self.session_id


class ClerkRateLimit(models.Model):
    """Rate limit and circuit breaker state for requests to Clerk; see accounts.clerk.rate_limiter."""

    name = models.CharField(
        max_length=64, help_text="The instance, or the Clerk ID of a user whose metadata is written."
    )
    next_slot_at = models.DateTimeField(
        help_text="When the next request may be sent if requests are spread evenly over the window."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Consecutive failed requests.")
    suspended_until = models.DateTimeField(null=True, help_text="No request is sent to Clerk before this time.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="accounts_rate_limit_name_unique")]

    def __str__(self) -> str:
        return self.name


class MetadataPush(models.Model):
    """What becomes of bringing one person's roles and facts to Clerk; see accounts.sync.outbox. There is one row a person.

    What is to be brought is not kept here: it is read from the user and the profiles when the push is made.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting to be brought to Clerk")
        DONE = "done", _("Clerk has it")
        # Clerk would refuse it for ever; what Clerk owns was restored here.
        REFUSED = "refused", _("Refused by Clerk")
        # Something else keeps writing other values.
        STOPPED = "stopped", _("Stopped: somebody else writes it, too")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="metadata_push")
    state = models.CharField(max_length=16, choices=State)
    revision = models.PositiveIntegerField(default=1, help_text="Grows with every change to be brought.")
    requested_at = models.DateTimeField(help_text="Since when something is waiting, or was.")
    next_attempt_at = models.DateTimeField(help_text="Not before this.")
    claimed_until = models.DateTimeField(null=True, blank=True, help_text="While one is under way: when it is lost.")
    attempts = models.PositiveIntegerField(default=0, help_text="Attempts in vain since then.")
    last_error = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)
    bounces = models.PositiveIntegerField(default=0, help_text="Times in a row that other values came back.")

    class Meta:
        verbose_name_plural = "metadata pushes"
        indexes = [
            # The job that looks for due pushes, and the count of those that wait.
            models.Index(fields=["next_attempt_at"], name="accounts_push_pending", condition=Q(state="pending")),
            # The count of those that were given up, and the list of them.
            models.Index(
                fields=["requested_at"], name="accounts_push_given_up", condition=Q(state__in=["refused", "stopped"])
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(state="done") | Q(done_at__isnull=False), name="accounts_push_done_at")
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_state_display()}"
