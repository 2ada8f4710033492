"""Exports of personal data."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone


class DataExport(models.Model):
    """A zip file with all data about a user, available for a limited time. See accounts.privacy.exports.

    The file is stored in the database, so that every host can serve it and deleting the row deletes the data.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False, help_text="Identifier in the URL.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="data_exports")
    requested_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    archive = models.BinaryField(null=True)

    class Meta:
        ordering = ["-requested_at"]
        indexes = [models.Index(fields=["user", "-requested_at"], name="accounts_export_recent")]

    def __str__(self) -> str:
        return f"{self.user}, {self.requested_at:%Y-%m-%d %H:%M}"

    @property
    def is_ready(self) -> bool:
        return self.ready_at is not None and self.expires_at > timezone.now()
