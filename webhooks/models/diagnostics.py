"""The latest results of the checks in webhooks.doctor, and the reports of the hosts that one of them compares."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class CheckResult(models.Model):
    """The latest result of a check. Each run overwrites the row."""

    class State(models.TextChoices):
        PASSED = "passed", _("Passed")
        FAILED = "failed", _("Failed")
        # The check does not apply to this deployment.
        SKIPPED = "skipped", _("Does not apply")

    name = models.CharField(max_length=32, primary_key=True, help_text="Key in webhooks.doctor.catalogue.")
    state = models.CharField(max_length=16, choices=State)
    summary = models.TextField(help_text="The problem, or what was measured.")
    advice = models.TextField(blank=True, help_text="How to fix the problem.")
    facts = models.JSONField(default=dict, help_text="Measured values.")
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.get_state_display()}"


class HostReport(models.Model):
    """The version and settings of one kind of process on one host. Each report overwrites the row."""

    class Kind(models.TextChoices):
        WEB = "web", _("Web server")
        WORKER = "worker", _("Worker")

    host = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind)
    version = models.CharField(max_length=64, blank=True)
    digests = models.JSONField(help_text="A short digest of each setting that must be equal on all hosts.")
    changed_at = models.DateTimeField(help_text="When the version or a setting last changed.")
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "kind"], name="webhooks_host_report_unique")]

    def __str__(self) -> str:
        return f"{self.host} ({self.kind})"
