"""Pairs of accounts that may belong to the same person."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class IdentityConflictQuerySet(models.QuerySet["IdentityConflict"]):
    def waiting(self) -> "IdentityConflictQuerySet":
        """Open conflicts that need a decision. Excludes suggestions, which are optional."""
        return self.filter(state=IdentityConflict.State.OPEN).exclude(kind=IdentityConflict.Kind.POSSIBLE)


class IdentityConflict(models.Model):
    """Two accounts with the same email address. An admin decides whether to join them. See accounts.sync.matching."""

    class Kind(models.TextChoices):
        """The reason why the accounts were not linked automatically."""

        UNVERIFIED = "unverified", _("Email not verified in Clerk")
        SEVERAL = "several", _("Several accounts with this email")
        STAFF = "staff", _("Older account has admin access")
        OTHER_ID = "other_id", _("Email used by another Clerk account")
        RECREATED = "recreated", _("Deleted in Clerk, then signed up again")
        SEPARATE = "separate", _("Both accounts existed before emails were compared")
        # A suggestion; see accounts.identity.suggestions.
        POSSIBLE = "possible", _("Possibly the same person, with different emails")
        # No conflict was found. An admin joined the accounts.
        MANUAL = "manual", _("Joined by an admin")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        LINKED = "linked", _("Linked")
        MOVED = "moved", _("Profile moved to the new identity")
        KEPT = "kept", _("Kept separate")
        DISMISSED = "dismissed", _("Dismissed")
        # One of the accounts no longer has the email address.
        OBSOLETE = "obsolete", _("No longer applies")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="conflicts",
        help_text="The account created for the Clerk identity.",
    )
    other = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", help_text="The account that already existed."
    )
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    email = models.EmailField(
        blank=True, help_text="The shared email address. Blank for suggestions, and after it has been erased."
    )
    evidence = models.JSONField(default=dict, help_text="Snapshot of both accounts when the conflict was found.")
    opened_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.TextField(blank=True, help_text="Reason for the resolution.")

    objects = IdentityConflictQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "other"], name="accounts_conflict_pair_unique"),
            models.CheckConstraint(
                condition=Q(state="open") | Q(resolved_at__isnull=False), name="accounts_conflict_resolved_at"
            ),
        ]
        indexes = [
            # For the queue of open conflicts and its length.
            models.Index(fields=["opened_at"], name="accounts_conflict_open", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.email or self.user}"

    @property
    def is_suggestion(self) -> bool:
        return bool(self.kind == self.Kind.POSSIBLE)

    @property
    def can_be_replaced(self) -> bool:
        """Whether a conflict about the same email may replace this row: it is obsolete, or an undecided suggestion."""
        undecided = (self.State.OPEN, self.State.DISMISSED)
        return bool(self.state == self.State.OBSOLETE or (self.is_suggestion and self.state in undecided))

    @property
    def is_open(self) -> bool:
        return bool(self.state == self.State.OPEN)

    @property
    def accounts(self) -> list[tuple[Any, dict[str, Any]]]:
        """Both accounts with their current values, and their snapshots from when the conflict was found."""
        return [(self.user, self.evidence.get("user", {})), (self.other, self.evidence.get("other", {}))]
