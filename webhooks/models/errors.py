"""Groups of errors, and the failed attempts of background jobs."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.errors import PROGRAM_ERRORS

#: The severity of each state. Icons have the same names.
LEVELS = {"new": "bad", "known": "attention", "resolved": "good", "returned": "bad"}


class ErrorGroup(models.Model):
    """Failures with the same type of error and the same code location; see webhooks.errors.

    The row contains only names from the code, and therefore no personal data.
    """

    class State(models.TextChoices):
        NEW = "new", _("New")
        KNOWN = "known", _("Known")
        RESOLVED = "resolved", _("Resolved")
        # The error occurred again after the group was resolved.
        RETURNED = "returned", _("Came back")

    key = models.CharField(max_length=32, help_text="A digest of the kind and place.")
    error_type = models.CharField(max_length=100, help_text="The name of the exception's class.")
    place = models.CharField(max_length=200, blank=True, help_text="The module and function that raised the error.")
    detail = models.CharField(max_length=200, blank=True, help_text="The field or constraint that the error names.")
    state = models.CharField(max_length=16, choices=State, default=State.NEW)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now, help_text="When the error last occurred, to the minute.")
    changed_at = models.DateTimeField(null=True, blank=True, help_text="When the state last changed.")
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        constraints = [models.UniqueConstraint(fields=["key"], name="webhooks_group_key_unique")]
        indexes = [models.Index(F("last_at"), F("id"), name="webhooks_group_recent")]

    def __str__(self) -> str:
        return gettext("%(kind)s in %(place)s") % {"kind": self.kind, "place": self.place} if self.place else self.kind

    @property
    def kind(self) -> str:
        """The type of error, and the field or constraint that the error names."""
        return f"{self.error_type}: {self.detail}" if self.detail else self.error_type

    @property
    def level(self) -> str:
        return LEVELS[self.state]

    @property
    def is_program_error(self) -> bool:
        """Whether our code is wrong. Errors raised outside our code can have other causes."""
        return bool(self.place) and self.error_type in PROGRAM_ERRORS


class JobFailure(models.Model):
    """A failed attempt of a background job; see webhooks.jobs.failures. It is deleted together with the job."""

    # Not a foreign key, because the table belongs to Procrastinate.
    job_id = models.BigIntegerField()
    failed_at = models.DateTimeField(db_default=Now())
    error = models.TextField(blank=True, help_text="The error without values.")
    traceback = models.TextField(blank=True, help_text="The traceback without values.")
    group = models.ForeignKey(ErrorGroup, models.PROTECT, db_index=False, related_name="job_failures")

    class Meta:
        ordering = ["id"]
        indexes = [
            # For a job's history.
            models.Index(F("job_id"), F("id"), name="webhooks_jobfailure_job"),
            # For a group's trend and jobs.
            models.Index(F("group"), F("failed_at"), name="webhooks_jobfailure_group"),
        ]

    def __str__(self) -> str:
        return f"Failure of job {self.job_id}"


#: The condition of indexes on rows with an error group.
HAS_GROUP = Q(error_group__isnull=False)
