"""Replays and dry runs of events, requested by admins."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webhooks.models.events import WebhookEvent


class ReplayQuerySet(models.QuerySet["Replay"]):
    def active(self) -> "ReplayQuerySet":
        """Waiting and running replays."""
        return self.filter(finished_at=None)


class Replay(models.Model):
    """A request to replay events, with its progress and results; see webhooks.replay.bulk."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")

    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.TextField()
    description = models.TextField(help_text="A description of the selected events.")
    dry_run = models.BooleanField(help_text="Whether all changes are rolled back.")
    previous_run = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        help_text="The dry run that this replay repeats for real, or the stopped replay that it resumes.",
    )
    in_background = models.BooleanField(default=False, help_text="Whether a worker runs the replay.")
    rate_limit = models.PositiveSmallIntegerField(default=0, help_text="Maximum events per second, or 0 for no limit.")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    error = models.TextField(blank=True, help_text="The reason why the replay failed.")
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    last_event_id = models.BigIntegerField(
        default=0, help_text="ID of the last replayed event. Events are replayed in the order of their IDs."
    )
    counts = models.JSONField(default=dict, help_text="Number of events by outcome.")
    groups = models.JSONField(default=dict, help_text="Number of events by outcome and reason.")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    progressed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ReplayQuerySet.as_manager()

    class Meta:
        constraints = [
            # A worker runs only one bulk replay and one bulk dry run at a time.
            models.UniqueConstraint(
                fields=["dry_run"],
                condition=Q(in_background=True, finished_at=None),
                name="webhooks_replay_one_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running"], finished_at=None)
                | (~Q(state__in=["waiting", "running"]) & Q(finished_at__isnull=False)),
                name="webhooks_replay_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"{_('Dry run') if self.dry_run else _('Replay')} {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.finished_at is None


class ReplayBatch(models.Model):
    """The IDs of a replay's events in ascending order. Deleted a day after the replay has ended."""

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="batches", db_index=False)
    number = models.PositiveIntegerField()
    event_ids = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["replay", "number"], name="webhooks_replaybatch_unique"),
        ]

    def __str__(self) -> str:
        return f"Batch {self.number} of replay {self.replay_id}"


class ReplayFinding(models.Model):
    """The result of a replay for one event. It contains personal data and is deleted a day after the replay ends."""

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="findings")
    event = models.ForeignKey(WebhookEvent, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    outcome = models.CharField(max_length=16)
    note = models.TextField(blank=True, help_text="The error, or the reason for the outcome.")
    differences = models.JSONField(default=list, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Event {self.event_id} of replay {self.replay_id}: {self.outcome}"
