from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from profiles.models.builder import BuilderProfile
from profiles.models.contact import ContactMessage


class Report(models.Model):
    """A user's report of a builder page or of a message that the user received. Admins decide about each report.

    Attributes:
        builder: the reported page, or None.
        message: the reported message, or None. Admins can read only messages that were reported.
        note: why the admin decided this way.
    """

    class Reason(models.TextChoices):
        SPAM = "spam", _("Spam or advertising")
        FRAUD = "fraud", _("Fraud, or a request for money or passwords")
        ABUSE = "abuse", _("Insults, threats or hate")
        IMPERSONATION = "impersonation", _("Pretends to be someone else")
        FALSE_CLAIMS = "false_claims", _("False claims, or work by someone else")
        OTHER = "other", _("Something else")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        UPHELD = "upheld", _("Upheld")
        DISMISSED = "dismissed", _("Dismissed")

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, null=True, related_name="reports")
    message = models.ForeignKey(ContactMessage, models.CASCADE, null=True, related_name="reports")
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="reports_sent")
    reason = models.CharField(max_length=20, choices=Reason)
    text = models.TextField(_("details"), blank=True)
    reported_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    note = models.TextField(_("reason for the decision"), blank=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="reports_decided")

    class Meta:
        ordering = ["reported_at"]
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        indexes = [models.Index(fields=["reporter", "-reported_at"], name="profiles_report_recent")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(builder=None) ^ models.Q(message=None), name="profiles_report_one_target"
            ),
            models.UniqueConstraint(
                fields=["reporter", "builder"], condition=models.Q(state="open"), name="profiles_report_page_once"
            ),
            models.UniqueConstraint(
                fields=["reporter", "message"], condition=models.Q(state="open"), name="profiles_report_message_once"
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk}"


class BlockedSender(models.Model):
    """A user whose messages a builder no longer receives."""

    builder = models.ForeignKey(BuilderProfile, models.CASCADE, related_name="blocked_senders")
    sender = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="blocked_by")
    blocked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["builder", "sender"], name="profiles_blocked_sender_once"),
        ]

    def __str__(self) -> str:
        return f"blocked sender {self.pk}"
