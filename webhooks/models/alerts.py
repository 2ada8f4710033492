"""Trouble that somebody has to know of, and who was told."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> "AlertQuerySet":
        """Alerts whose trouble is not known to be over, acknowledged and snoozed ones too."""
        return self.filter(resolved_at=None)


class Alert(models.Model):
    """One trouble, from when it was noticed until it was over; see webhooks.monitoring.alerts."""

    class Rule(models.TextChoices):
        """What is watched. The value is also the name of its runbook."""

        FAILURE_RATE = "failure_rate", _("Many events fail")
        DEAD_EVENTS = "dead_events", _("Events are dead")
        OLDEST_UNSETTLED = "oldest_unsettled", _("An event is unsettled for long")
        REJECTED = "rejected_requests", _("Many requests are refused")
        OTHER_INSTANCE = "other_instance", _("Events of another Clerk instance")
        SILENCE = "silence", _("No events come")
        PUSHES = "pending_pushes", _("Changes do not reach Clerk")
        DRIFT = "drift", _("People differ from Clerk")
        WORKER_GONE = "worker_gone", _("No worker is alive")
        AUDIT_CHAIN = "audit_chain_broken", _("The audit log is not vouched for")

    rule = models.CharField(max_length=32, choices=Rule)
    opened_at = models.DateTimeField(default=timezone.now)
    summary = models.CharField(max_length=500, help_text="One sentence about how it is now, or was at last.")
    value = models.FloatField(help_text="How bad it is now; what it counts depends on the rule.")
    told_value = models.FloatField(help_text="How bad it was when somebody was last told.")
    worst_value = models.FloatField()
    facts = models.JSONField(default=dict, blank=True, help_text="What caused it, such as ids of events.")
    seen_at = models.DateTimeField(default=timezone.now, help_text="When it was last found to be so.")
    well_since = models.DateTimeField(null=True, blank=True, help_text="Since when it is not so any more.")
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.TextField(blank=True, help_text="What whoever took care of it wrote.")
    times_back = models.PositiveIntegerField(default=0, help_text="How often it came back soon after it was over.")

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            # A trouble opens once.
            models.UniqueConstraint(fields=["rule"], condition=Q(resolved_at=None), name="webhooks_alert_open_unique"),
        ]
        indexes = [
            # The last alert of a rule, which may come back.
            models.Index(F("rule"), F("opened_at").desc(), name="webhooks_alert_recent"),
        ]

    def __str__(self) -> str:
        return str(self.get_rule_display())

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    def is_quiet(self, now: datetime) -> bool:
        """Return whether somebody took it on, or put it off, so that its getting worse is not told."""
        return bool(self.acknowledged_at or (self.snoozed_until and self.snoozed_until > now))

    @property
    def tone(self) -> str:
        """The colour and the icon of its state."""
        if not self.is_open:
            return "good"
        return "attention" if self.is_quiet(timezone.now()) else "bad"

    @property
    def state(self) -> Any:
        """One word for people."""
        if not self.is_open:
            return _("resolved")
        if self.snoozed_until and self.snoozed_until > timezone.now():
            return _("snoozed")
        return _("acknowledged") if self.acknowledged_at else _("open")


class Notice(models.Model):
    """Something to be told about an alert over one channel, and whether that worked."""

    class What(models.TextChoices):
        OPENED = "opened", _("Opened")
        WORSE = "worse", _("Worse")
        RESOLVED = "resolved", _("Resolved")

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notices")
    what = models.CharField(max_length=16, choices=What)
    channel = models.CharField(max_length=32, help_text="The kind of channel and a digest of its address.")
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["due_at", "id"]
        indexes = [
            # What is still to be told.
            models.Index(fields=["due_at"], name="webhooks_notice_unsent", condition=Q(sent_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()}, {self.channel}"
