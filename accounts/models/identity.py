"""Accounts that may belong to one person."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class IdentityConflict(models.Model):
    """Two accounts with one address, of which an admin has to say whether they are one person; see accounts.sync.matching."""

    class Kind(models.TextChoices):
        """Why the accounts were not simply linked."""

        UNVERIFIED = "unverified", _("The address is not verified at Clerk")
        SEVERAL = "several", _("Several accounts have the address")
        STAFF = "staff", _("The older account may use the admin")
        OTHER_ID = "other_id", _("The address belongs to somebody else at Clerk, too")
        RECREATED = "recreated", _("Deleted at Clerk, and signed up again")
        SEPARATE = "separate", _("Both existed before addresses were compared")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        LINKED = "linked", _("Linked")
        MOVED = "moved", _("Profile moved to the new identity")
        KEPT = "kept", _("Kept separate")
        DISMISSED = "dismissed", _("Dismissed")
        # The address went from one of the two.
        OBSOLETE = "obsolete", _("Not true any more")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="conflicts",
        help_text="The account that came with the identity at Clerk.",
    )
    other = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", help_text="The account that was there before."
    )
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    email = models.EmailField(blank=True, help_text="The address that both have, or had; blank when it was erased.")
    evidence = models.JSONField(default=dict, help_text="Both accounts as they were when it was found.")
    opened_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.TextField(blank=True, help_text="Why it was resolved so.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "other"], name="accounts_conflict_pair_unique"),
            models.CheckConstraint(
                condition=Q(state="open") | Q(resolved_at__isnull=False), name="accounts_conflict_resolved_at"
            ),
        ]
        indexes = [
            # The queue, and its length.
            models.Index(fields=["opened_at"], name="accounts_conflict_open", condition=Q(state="open")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.email}"

    @property
    def is_open(self) -> bool:
        return bool(self.state == self.State.OPEN)

    @property
    def sides(self) -> list[tuple[Any, dict[str, Any]]]:
        """Both accounts as they are, each with what was true when the conflict was found."""
        return [(self.user, self.evidence.get("user", {})), (self.other, self.evidence.get("other", {}))]
