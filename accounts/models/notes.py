"""Notes about users."""

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone


class UserNote(models.Model):
    """A note about a user for other admins. Notes are not edited, so that each one has one author and one time."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="notes", db_index=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            # For the user's page in the admin.
            models.Index(F("user"), F("id").desc(), name="accounts_usernote_recent")
        ]

    def __str__(self) -> str:
        return f"{self.author}, {self.created_at:%Y-%m-%d %H:%M}"
