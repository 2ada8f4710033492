"""Bulk changes to users' access in Clerk."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AccessRun(models.Model):
    """One change for several users, with Clerk's answer for each user. See accounts.sessions.access_runs."""

    class Change(models.TextChoices):
        """The same values as in accounts.sessions.access.Change."""

        BAN = "ban", _("Ban")
        UNBAN = "unban", _("Remove ban")
        SIGN_OUT = "sign_out", _("Sign out everywhere")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        STOPPED = "stopped", _("Stopped")

    change = models.CharField(max_length=16, choices=Change)
    reason = models.TextField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.RUNNING)
    error = models.TextField(blank=True, help_text="Why the run was stopped.")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    user_ids = ArrayField(models.BigIntegerField(), help_text="The users to change.")
    #: {"done": whether the user was changed, "answer": a text} by user ID.
    results = models.JSONField(default=dict)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="running") ^ Q(finished_at__isnull=False), name="accounts_accessrun_end"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_change_display()}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def total(self) -> int:
        return len(self.user_ids)

    @property
    def changed(self) -> int:
        """The number of users who were changed."""
        return sum(result["done"] for result in self.results.values())

    def result_of(self, user_id: int) -> dict[str, Any]:
        return dict(self.results.get(str(user_id), {}))

    def remaining_ids(self) -> list[int]:
        """Return the users who have no answer yet."""
        return [user_id for user_id in self.user_ids if str(user_id) not in self.results]
