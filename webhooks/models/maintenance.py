"""Maintenance windows, during which alerts open without notifications."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class MaintenanceWindowQuerySet(models.QuerySet["MaintenanceWindow"]):
    def active(self, now: datetime) -> "MaintenanceWindowQuerySet":
        return self.filter(starts_at__lte=now, ends_at__gt=now)

    def not_over(self, now: datetime) -> "MaintenanceWindowQuerySet":
        """Active and planned windows. A planned window that was cancelled ends when it starts."""
        return self.filter(ends_at__gt=now, starts_at__lt=F("ends_at"))


class MaintenanceWindow(models.Model):
    """A period without notifications, because someone works on the site."""

    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    objects = MaintenanceWindowQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="webhooks_maintenance_ends_later"),
        ]
        indexes = [
            # Windows that are not over.
            models.Index(fields=["ends_at"], name="webhooks_maintenance_end"),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%d %b %H:%M} – {self.ends_at:%d %b %H:%M} UTC"
