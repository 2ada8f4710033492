"""The latest results of the checks in webhooks.doctor."""

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
