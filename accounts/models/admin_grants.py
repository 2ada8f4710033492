"""Requests to give users the role Admin."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

#: How long another admin can approve a request.
LIFETIME = timedelta(days=1)


class AdminGrantQuerySet(models.QuerySet["AdminGrant"]):
    def pending(self) -> "AdminGrantQuerySet":
        """Return requests that another admin can still decide."""
        return self.filter(state=AdminGrant.State.PENDING, requested_at__gt=timezone.now() - LIFETIME)

    def overdue(self) -> "AdminGrantQuerySet":
        """Return requests that no admin decided on in time and that are not yet marked as expired."""
        return self.filter(state=AdminGrant.State.PENDING, requested_at__lte=timezone.now() - LIFETIME)


class AdminGrant(models.Model):
    """A request to make a user an admin, and the decision. Without ADMIN_APPROVAL, it is approved immediately."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")
        EXPIRED = "expired", _("Expired")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="admin_grants")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.TextField()
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    requested_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty if expired."
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)

    objects = AdminGrantQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            # For the list of requests in the admin.
            models.Index(F("state"), F("id").desc(), name="accounts_admingrant_state")
        ]
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(state="pending"), name="accounts_admingrant_pending"),
            models.CheckConstraint(
                condition=Q(state="pending") ^ Q(decided_at__isnull=False), name="accounts_admingrant_decided"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def expires_at(self) -> datetime:
        return self.requested_at + LIFETIME

    @property
    def is_open(self) -> bool:
        """Whether another admin can still approve the request."""
        return self.state == self.State.PENDING and self.expires_at > timezone.now()
