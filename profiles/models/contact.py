"""What people write to builders."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from profiles.models.builder import BuilderProfile


class ContactMessage(models.Model):
    """A message from a signed-in person to a builder, which is mailed without showing the builder's address."""

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="messages")
    sender = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="messages_sent")
    subject = models.CharField(max_length=120)
    body = models.TextField()
    sent_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-sent_at"]
        indexes = [
            # How much somebody has written lately.
            models.Index(fields=["sender", "-sent_at"], name="profiles_message_recent"),
        ]

    def __str__(self) -> str:
        return self.subject
