from django.conf import settings
from django.db import models
from django.utils import timezone

from profiles.models.builder import BuilderProfile


class ContactMessage(models.Model):
    """A message from a signed-in user to a builder, emailed without revealing the builder's address to the sender."""

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="messages")
    sender = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="messages_sent")
    subject = models.CharField(max_length=120)
    body = models.TextField()
    sent_at = models.DateTimeField(default=timezone.now)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-sent_at"]
        indexes = [
            # profiles.contact.services counts recent messages per sender.
            models.Index(fields=["sender", "-sent_at"], name="profiles_message_recent"),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"  # The admin displays this string, and the subject is private.
