from django.conf import settings
from django.db import models
from django.utils import timezone

from profiles.models.builder import BuilderProfile


class ShortlistEntry(models.Model):
    """A builder saved by a user. Visible only to that user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="shortlist")
    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="shortlist_entries")
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            # This index also serves queries for a user's shortlist, which is small enough to sort.
            models.UniqueConstraint(fields=["user", "builder"], name="profiles_shortlist_unique")
        ]

    def __str__(self) -> str:
        return f"shortlist entry {self.pk}"
