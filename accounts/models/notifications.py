"""Emails to users: sent notifications, each user's preferences, and known devices. See accounts.notifications."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Notification(models.Model):
    """An email to a user about one cause. The unique constraint prevents a second email about the same cause."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        SENT = "sent", _("Sent")
        SKIPPED = "skipped", _("Not sent")
        REFUSED = "refused", _("Refused by the mail server")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="notifications", verbose_name=_("user")
    )
    kind = models.CharField(_("kind"), max_length=32, help_text="A key of accounts.notifications.kinds.")
    cause = models.CharField(_("cause"), max_length=200, help_text="Identifies the cause, such as message:42.")
    facts = models.JSONField(
        default=dict, help_text="Values for the email that no other row stores. Cleared when the email is sent."
    )
    email = models.EmailField(
        null=True,
        help_text="The address of a deleted user. Set only for the email about the deletion, until it is sent.",
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    queued_at = models.DateTimeField(null=True, help_text="When the job that sends the email was queued.")
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.PENDING)
    result = models.CharField(_("result"), max_length=300, blank=True, help_text="Why the email was not sent.")
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "cause"], name="accounts_notification_unique"),
            models.CheckConstraint(
                condition=Q(state="pending") ^ Q(finished_at__isnull=False), name="accounts_notification_end"
            ),
        ]
        indexes = [
            # For the job that queues the emails of events.
            models.Index(fields=["id"], name="accounts_notification_unqueued", condition=Q(queued_at=None)),
        ]

    def __str__(self) -> str:
        return f"notification {self.pk}"  # The admin displays this string.


class NotificationPreferences(models.Model):
    """A user's email preferences. Users without a row get all emails."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="notification_preferences", verbose_name=_("user")
    )
    turned_off = ArrayField(models.CharField(max_length=32), default=list, help_text="Kinds that are not emailed.")
    language = models.CharField(max_length=8, blank=True, help_text="The language of emails, or empty.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "notification preferences"

    def __str__(self) -> str:
        return f"{self.user}: {', '.join(self.turned_off) or 'all'}"


class KnownDevice(models.Model):
    """A browser and operating system that a user has signed in with. See accounts.sessions.devices.

    Simultaneous sign-ins may add the same device twice, which has no effect.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="known_devices")
    digest = models.CharField(max_length=64, help_text="Keyed hash of the user, the browser and the operating system.")
    first_seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.user}, {self.first_seen_at:%Y-%m-%d}"
