"""Alerts, and the notifications sent about them."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


def rule_choices() -> list[tuple[str, str | Promise]]:
    """Return the choices of `Alert.rule`. Migrations store the name of this function, so new rules need no migration."""
    return list(Alert.Rule.choices)


def resolve_after() -> timedelta:
    """Return how long a signal must not be broken before its alert is resolved."""
    return timedelta(seconds=settings.ALERT_RESOLVE_AFTER_S)


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> "AlertQuerySet":
        """Unresolved alerts, including acknowledged and snoozed ones."""
        return self.filter(resolved_at=None)


class Alert(models.Model):
    """A problem, from detection to resolution; see webhooks.monitoring.alerts."""

    class Rule(models.TextChoices):
        """A health signal, and the condition that opens its alert. The value is also the name of its runbook."""

        FAILURE_RATE = "failure_rate", _("Many events are failing")
        DEAD_EVENTS = "dead_events", _("Dead events need attention")
        OLDEST_UNSETTLED = "oldest_unsettled", _("An event has been unsettled for too long")
        REJECTED = "rejected_requests", _("Deliveries are being rejected")
        UNAVAILABLE = "unavailable_requests", _("Deliveries are answered with 503")
        CLOCK = "clock", _("The clock differs from Clerk's")
        OTHER_INSTANCE = "other_instance", _("Another Clerk instance is sending events")
        SILENCE = "silence", _("No events are arriving")
        CLERK = "clerk_outage", _("Clerk does not respond as expected")
        PUSHES = "pending_pushes", _("Changes are not reaching Clerk")
        DRIFT = "drift", _("Users differ from Clerk")
        CONFLICTS = "identity_conflict", _("Identity conflicts need a decision")
        WORKER_GONE = "worker_gone", _("No worker is running")
        JOBS = "background_jobs", _("Background jobs are failing or late")
        DISK_SPACE = "disk_space", _("The disk with uploaded images is almost full")
        DIAGNOSTICS = "diagnostics", _("A diagnostic check fails")
        AUDIT_CHAIN = "audit_chain_broken", _("The audit log is not verified")

    class Severity(models.TextChoices):
        """The urgency of a rule's alerts, which determines the channels; see
        webhooks.monitoring.notifications.channels.
        """

        CRITICAL = "critical", _("critical")
        WARNING = "warning", _("warning")
        INFO = "info", _("info")

    rule = models.CharField(max_length=32, choices=rule_choices)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    opened_at = models.DateTimeField(default=timezone.now, help_text="When the problem was first detected.")
    reopened_at = models.DateTimeField(
        null=True, blank=True, help_text="When the problem last returned after it was resolved."
    )
    title = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="The latest finding, if the name of the rule does not describe it.",
    )
    summary = models.CharField(max_length=500, help_text="One sentence that describes the latest finding.")
    value = models.FloatField(help_text="The current value. The unit depends on the rule.")
    notified_value = models.FloatField(help_text="The value when the last notification was queued.")
    worst_value = models.FloatField()
    notified_causes = models.JSONField(
        default=list, blank=True, help_text="The names of the causes that notifications have reported."
    )
    facts = models.JSONField(default=dict, blank=True, help_text="The cause, such as event IDs.")
    last_seen_at = models.DateTimeField(default=timezone.now, help_text="When the rule last found the problem.")
    ok_since = models.DateTimeField(null=True, blank=True, help_text="When the rule stopped finding the problem.")
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    # No foreign key constraints, because checking them would make every new alert wait while the table of users is locked.
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_constraint=False, related_name="+"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_constraint=False, related_name="+"
    )
    resolution = models.CharField(
        max_length=500, blank=True, help_text="The figures at the time of the resolution, in one sentence."
    )
    note = models.TextField(blank=True, help_text="Notes from the operators who handled the alert.")
    reopened_count = models.PositiveIntegerField(
        default=0, help_text="Number of times that the problem returned soon after it was resolved."
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            # At most one open alert per rule.
            models.UniqueConstraint(fields=["rule"], condition=Q(resolved_at=None), name="webhooks_alert_open_unique"),
        ]
        indexes = [
            # The latest alert of a rule, which may be reopened.
            models.Index(F("rule"), F("opened_at").desc(), name="webhooks_alert_recent"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.get_rule_display())

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def open_since(self) -> datetime:
        """When the current open period began."""
        return self.reopened_at or self.opened_at

    @property
    def closes_at(self) -> datetime | None:
        """When the alert will be resolved, if the problem is over and does not return until then."""
        return self.ok_since + resolve_after() if self.is_open and self.ok_since else None

    def is_quiet(self, now: datetime) -> bool:
        """Return whether the alert is acknowledged or snoozed. No notification is sent if such an alert gets worse."""
        return bool(self.acknowledged_at or (self.snoozed_until and self.snoozed_until > now))

    @property
    def tone(self) -> str:
        """The name of the alert's colour and icon."""
        if not self.is_open or self.ok_since:
            return "good"
        return "attention" if self.is_quiet(timezone.now()) else "bad"

    @property
    def state(self) -> str | Promise:
        if not self.is_open:
            return _("resolved")
        if self.ok_since and self.closes_at:
            is_same_minute = f"{self.ok_since:%d%H%M}" == f"{self.closes_at:%d%H%M}"
            time_format = "%H:%M:%S" if is_same_minute else "%H:%M"
            times = {"since": self.ok_since.strftime(time_format), "at": self.closes_at.strftime(time_format)}
            return gettext("over since %(since)s UTC, closes at %(at)s UTC") % times
        if self.snoozed_until and self.snoozed_until > timezone.now():
            return _("snoozed")
        return _("acknowledged") if self.acknowledged_at else _("open")


class AlertCheck(models.Model):
    """The last evaluation of all rules, stored in a single row."""

    checked_at = models.DateTimeField(help_text="When the last evaluation started.")
    completed_at = models.DateTimeField(
        null=True, help_text="When an evaluation was last completed. A worker can die during an evaluation."
    )
    worker_starts = models.JSONField(
        default=list, help_text="Pairs of a time and the latest worker's ID at that time; see monitoring.worker_starts."
    )

    def __str__(self) -> str:
        return f"checked at {self.checked_at}"


class NotificationQuerySet(models.QuerySet["Notification"]):
    def unsent(self) -> "NotificationQuerySet":
        """Notifications that will be sent or retried."""
        return self.filter(sent_at=None, is_given_up=False)


class Notification(models.Model):
    """A message about an alert for one channel, and its delivery status."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("Opened")
        WORSE = "worse", _("Worse")
        CHANGED = "changed", _("New cause")
        REOPENED = "reopened", _("Reopened")
        RESOLVED = "resolved", _("Resolved")

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=16, choices=Kind)
    channel = models.CharField(max_length=32, help_text="The channel's scheme and a digest of its URL.")
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    is_given_up = models.BooleanField(default=False, help_text="The notification is no longer needed.")
    error = models.CharField(max_length=300, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["due_at", "id"]
        indexes = [
            # Notifications waiting to be sent.
            models.Index(
                fields=["due_at"], name="webhooks_notification_unsent", condition=Q(sent_at=None, is_given_up=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.channel}"
