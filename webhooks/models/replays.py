"""Events that are applied once more because somebody asked for it, or only tried and undone again."""

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
        """Those that are not over yet: waiting and running ones."""
        return self.filter(finished_at=None)


class Replay(models.Model):
    """One wish to replay events, how far it got, and what came of it; see webhooks.replay.bulk."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Broken off")

    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    why = models.TextField()
    filter = models.TextField(help_text="Which events, in words.")
    dry_run = models.BooleanField(help_text="Only looked, and changed nothing.")
    rehearsal = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        help_text="The dry run before it, or the replay that was stopped and that it goes on with.",
    )
    in_background = models.BooleanField(default=False, help_text="A worker does it.")
    per_second = models.PositiveSmallIntegerField(default=0, help_text="At most so many events a second; 0: no limit.")
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    error = models.TextField(blank=True, help_text="Why it broke off.")
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    done_up_to = models.BigIntegerField(default=0, help_text="The last event that was done; they go by id.")
    counts = models.JSONField(default=dict, help_text="How many events had each outcome.")
    groups = models.JSONField(default=dict, help_text="How many events had each outcome for the same reason.")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    progressed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ReplayQuerySet.as_manager()

    class Meta:
        constraints = [
            # Of the long ones, one that changes things at a time, and one that only looks.
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
    """Ids of events of a replay, ascending, chosen once when it was asked for. They go a day after it is over."""

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="batches", db_index=False)
    number = models.PositiveIntegerField()
    event_ids = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["replay", "number"], name="webhooks_replaybatch_unique"),
        ]

    def __str__(self) -> str:
        return f"Events of replay {self.replay_id}, {self.number}"


class ReplayFinding(models.Model):
    """What came of one event of a replay. It holds personal values, and goes a day after the replay is over."""

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="findings")
    event = models.ForeignKey(WebhookEvent, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    outcome = models.CharField(max_length=16)
    note = models.TextField(blank=True, help_text="Why.")
    differences = models.JSONField(default=list, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Event {self.event_id} of replay {self.replay_id}: {self.outcome}"
