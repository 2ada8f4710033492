"""The reports of comparing everybody with Clerk."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

#: Examples of what differed, kept on each report.
MAX_EXAMPLES = 200


class ReconciliationQuerySet(models.QuerySet["Reconciliation"]):
    def repairing(self) -> "ReconciliationQuerySet":
        """Runs over many people that were not only to look."""
        return self.filter(dry_run=False).exclude(kind=Reconciliation.Kind.USER)

    def older_than(self, age: timedelta) -> "ReconciliationQuerySet":
        """Runs that began longer ago."""
        return self.filter(started_at__lt=timezone.now() - age)


class Reconciliation(models.Model):
    """One comparison of the people here with those at Clerk: how far it got, what differed, and what was done."""

    class Kind(models.TextChoices):
        FULL = "full", _("Everybody")
        RECENT = "recent", _("Who changed lately")
        USER = "user", _("One user")

    class State(models.TextChoices):
        # Also one that was killed; the next full one goes on from its cursor.
        RUNNING = "running", _("Under way, or broken off")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")

    class DifferenceKind(models.TextChoices):
        """How somebody can differ."""

        MISSING = "missing", _("missing here")
        STALE = "stale", _("stale here")
        DELETED = "deleted", _("deleted at Clerk")
        UNPUSHED = "unpushed", _("not brought to Clerk yet")
        UNREADABLE = "unreadable", _("not readable")

    kind = models.CharField(max_length=16, choices=Kind)
    dry_run = models.BooleanField(default=False, help_text="Only looked, and changed nothing.")
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it failed.")

    # How far it got.
    cursor = models.CharField(max_length=64, blank=True, help_text="The person behind whom it goes on.")
    cursor_created_at = models.DateTimeField(null=True, blank=True, help_text="When that person signed up.")
    watermark = models.DateTimeField(null=True, blank=True, help_text="The newest change at Clerk that it saw.")
    #: Clerk ids of the people who signed up just then; the next page may go on in the same millisecond.
    boundary_ids = models.JSONField(default=list, blank=True)
    #: Clerk ids of people who were in no page; looked at when the list is complete.
    unlisted_ids = models.JSONField(default=list, blank=True)

    # What it found.
    compared = models.PositiveIntegerField(default=0, help_text="People at Clerk who were compared.")
    clerk_total = models.PositiveIntegerField(null=True, blank=True, help_text="People whom Clerk counts.")
    missing = models.PositiveIntegerField(default=0)
    stale = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    unpushed = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    skipped_deletions = models.PositiveIntegerField(
        default=0, help_text="People not in Clerk's list who were too many to be believed deleted."
    )
    fields = models.JSONField(default=dict, blank=True, help_text="How often each field differed.")
    examples = models.JSONField(default=list, blank=True, help_text="The first who differed, and in what.")
    longest_drift = models.DurationField(null=True, blank=True, help_text="How long the oldest difference had existed.")

    # What it did.
    repaired = models.PositiveIntegerField(default=0)
    pushed = models.PositiveIntegerField(default=0, help_text="Pushes that reached Clerk.")
    unrepaired = models.PositiveIntegerField(default=0, help_text="People who still differ; the examples say why.")

    objects = ReconciliationQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            # The list of reports, and the last one of a kind.
            models.Index(F("kind"), F("started_at").desc(), name="accounts_reconciliation_recent"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="finished") | Q(finished_at__isnull=False), name="accounts_reconciliation_end"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def differed(self) -> int:
        """How many people differed in anything."""
        return self.missing + self.stale + self.deleted + self.unpushed + self.unreadable + self.skipped_deletions

    @property
    def still_differ(self) -> int:
        """How many people differ after it, or were left alone because Clerk's word on them was not believed or understood."""
        return self.unrepaired + self.skipped_deletions + self.unreadable

    @property
    def match_rate(self) -> float | None:
        """The share of people, in per cent, who were the same here and at Clerk; None if nobody was compared."""
        everybody = max(self.compared + self.deleted + self.skipped_deletions, self.differed)
        return 100 * (everybody - self.differed) / everybody if everybody else None

    @property
    def duration(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.finished_at else None

    def add_example(self, example: dict[str, Any]) -> None:
        """Keep an example, if there are not enough."""
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)
