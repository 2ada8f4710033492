"""Imports of accounts from before Clerk, and the accounts that they created. See accounts.imports."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class UserImport(models.Model):
    """The import of one file, and how far it has been imported. `manage.py import_users` continues there."""

    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    file = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="Name of the file, without its folder."
    )
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    last_line = models.PositiveBigIntegerField(default=0, help_text="The last line that has been imported or refused.")
    created = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    report_size = models.PositiveBigIntegerField(default=0, help_text="Bytes of the report up to the last line.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest"], name="accounts_import_digest_unique")]

    def __str__(self) -> str:
        return self.file or self.digest[:12]


class RefusedLine(models.Model):
    """A line that an import refused. The reason contains no values from the file."""

    run = models.ForeignKey(UserImport, models.CASCADE, related_name="refused_lines", db_index=False)
    line = models.PositiveBigIntegerField()
    reason = models.CharField(max_length=300)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "line"], name="accounts_refused_line_unique")]

    def __str__(self) -> str:
        return f"{self.line}: {self.reason}"


class ImportedAccount(models.Model):
    """An account that an import created, and its invitation."""

    run = models.ForeignKey(UserImport, models.PROTECT, related_name="accounts")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="imported")
    line = models.PositiveBigIntegerField()
    invited_at = models.DateTimeField(null=True, blank=True)
    invitation_id = models.CharField(max_length=64, blank=True)
    invitation_error = models.CharField(max_length=500, blank=True, help_text="Why Clerk rejected the invitation.")

    class Meta:
        indexes = [
            # For the accounts that are still to be invited.
            models.Index(
                fields=["run", "line"],
                name="accounts_import_not_invited",
                condition=models.Q(invited_at=None, invitation_error=""),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user}, line {self.line}"
