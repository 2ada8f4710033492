"""Reports of reconciliation runs, which compare local users with Clerk's users."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

#: Maximum number of differences stored as examples in each report.
MAX_EXAMPLES = 200


class ReconciliationQuerySet(models.QuerySet["Reconciliation"]):
    def repairing(self) -> "ReconciliationQuerySet":
        """Return runs that compared many users and were not dry runs."""
        return self.filter(dry_run=False, kind__in=[Reconciliation.Kind.FULL, Reconciliation.Kind.RECENT])

    def older_than(self, age: timedelta) -> "ReconciliationQuerySet":
        return self.filter(started_at__lt=timezone.now() - age)


class Reconciliation(models.Model):
    """A run's progress, the differences that it found and its repairs."""

    class Kind(models.TextChoices):
        FULL = "full", _("All users")
        RECENT = "recent", _("Recently changed users")
        USER = "user", _("One user")
        ORGANIZATIONS = "organizations", _("Organizations")

    class State(models.TextChoices):
        # A killed run keeps this state. The next full run resumes from its cursor.
        RUNNING = "running", _("Running or interrupted")
        # The periodic job reads a part of the list at a time.
        PAUSED = "paused", _("Continues with the next job")
        FINISHED = "finished", _("Finished")
        FAILED = "failed", _("Failed")

    class DifferenceKind(models.TextChoices):
        """The kinds of differences. Each value is also the name of the field with its count."""

        MISSING = "missing", _("missing here")
        STALE = "stale", _("out of date here")
        DELETED = "deleted", _("deleted in Clerk")
        UNPUSHED = "unpushed", _("not pushed to Clerk")
        UNREADABLE = "unreadable", _("unreadable")

    kind = models.CharField(max_length=16, choices=Kind)
    dry_run = models.BooleanField(default=False, help_text="Report differences without repairing them.")
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why the run failed.")

    # A run that an admin requested. See accounts.sync.requested_runs.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty for jobs."
    )
    reason = models.TextField(blank=True, help_text="Why the admin requested the run.")
    wanted = models.CharField(
        max_length=254,
        blank=True,
        help_text="The person to compare: a Clerk ID, or an email address until the job has found the Clerk ID.",
    )
    dry_run_report = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="+", help_text="The dry run that this run repeats."
    )

    # Progress.
    cursor = models.CharField(max_length=64, blank=True, help_text="Clerk ID of the last user that was compared.")
    cursor_created_at = models.DateTimeField(null=True, blank=True, help_text="When that user signed up.")
    watermark = models.DateTimeField(null=True, blank=True, help_text="Latest change in Clerk seen by this run.")
    #: Clerk IDs of users who signed up at `cursor_created_at`. The next page may start in the same millisecond.
    boundary_ids = models.JSONField(default=list, blank=True)
    #: Clerk IDs of local users missing from all pages so far. They are checked when the list is complete.
    unlisted_ids = models.JSONField(default=list, blank=True)

    # Differences found.
    compared = models.PositiveIntegerField(default=0, help_text="Users in Clerk that were compared.")
    clerk_total = models.PositiveIntegerField(null=True, blank=True, help_text="Total number of users in Clerk.")
    missing = models.PositiveIntegerField(default=0)
    stale = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    unpushed = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    skipped_deletions = models.PositiveIntegerField(
        default=0, help_text="Users missing from Clerk's list and not deleted, because there were suspiciously many."
    )
    #: Reports of organizations count the kinds of objects instead. See accounts.organizations.reconciliation.OBJECTS.
    fields = models.JSONField(default=dict, blank=True, help_text="Number of differences per field.")
    examples = models.JSONField(default=list, blank=True, help_text="The first differences found.")
    longest_drift = models.DurationField(null=True, blank=True, help_text="Age of the oldest difference.")

    # An admin's approval of skipped deletions. See accounts.sync.unlisted.
    deletions_approved_at = models.DateTimeField(null=True, blank=True)
    deletions_approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty if a command approved them.",
    )
    approval_reason = models.TextField(blank=True)

    # Repairs.
    repaired = models.PositiveIntegerField(default=0)
    pushed = models.PositiveIntegerField(default=0, help_text="Pushes accepted by Clerk.")
    unrepaired = models.PositiveIntegerField(
        default=0, help_text="Users that still differ. The examples give the reasons."
    )

    objects = ReconciliationQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            # For the list of reports and the latest report of each kind.
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
        return self.missing + self.stale + self.deleted + self.unpushed + self.unreadable + self.skipped_deletions

    @property
    def still_differ(self) -> int:
        """The number of users who were not repaired, including skipped deletions and unreadable users."""
        return self.unrepaired + self.unread_or_kept

    @property
    def unread_or_kept(self) -> int:
        """The number of users that could not be read, or whose deletion waits for an admin's approval."""
        return self.skipped_deletions + self.unreadable

    @property
    def match_rate(self) -> float | None:
        """The percentage of users with no differences, or None if no user was compared."""
        total = max(self.compared + self.deleted + self.skipped_deletions, self.differed)
        return 100 * (total - self.differed) / total if total else None

    @property
    def duration(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.finished_at else None

    def add_example(self, example: dict[str, Any]) -> None:
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(example)
