"""Models for seals, verification results and checkpoint destinations."""

from datetime import datetime

from django.db import models
from django.utils.translation import gettext

from audit.models.append_only import AppendOnly, AppendOnlyQuerySet


class AuditSeal(AppendOnly):
    """A link in the hash chain that protects audit rows. See audit.sealing.seals."""

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 and so on without gaps.")
    sealed_at = models.DateTimeField()
    format_version = models.PositiveSmallIntegerField(help_text="How rows and seals were serialised for their digests.")
    # The seal covers the rows after the previous seal up to and including this position, in the order (transaction,
    # id).
    last_transaction = models.BigIntegerField()
    last_id = models.BigIntegerField()
    # For databases that were restored or moved. See audit.sealing.seals.
    cluster = models.CharField(max_length=32, help_text="The server that assigned the transaction ids.")
    floor_id = models.BigIntegerField(help_text="Only rows with greater ids were written on that server.")
    max_id = models.BigIntegerField(help_text="The greatest row id in this seal and all earlier ones.")
    row_count = models.PositiveIntegerField(help_text="Number of rows in this seal.")
    total_rows = models.PositiveBigIntegerField(help_text="Number of rows in this seal and all earlier ones.")
    leaves = models.BinaryField(help_text="Id and digest of each row, to identify a changed row.")
    digest = models.BinaryField(help_text="SHA-256 of the leaves.")
    previous_mac = models.BinaryField(help_text="MAC of the previous seal; empty in the first.")
    key_id = models.CharField(max_length=16, help_text="The key in AUDIT_SEAL_KEY that made the seal.")
    mac = models.BinaryField(help_text="HMAC-SHA256 of all other fields.")

    objects = AppendOnlyQuerySet["AuditSeal"].as_manager()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"seal {self.number}"


class AuditVerification(models.Model):
    """The result of verifying the audit log against its seals."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    seal_count = models.PositiveBigIntegerField(help_text="Number of seals verified.")
    row_count = models.PositiveBigIntegerField(help_text="Number of rows verified.")
    erased_count = models.PositiveBigIntegerField(help_text="Rows with erased personal data. This is not a problem.")
    # Not foreign keys, because the seal or row can be missing.
    first_bad_seal = models.BigIntegerField(null=True)
    first_bad_row = models.BigIntegerField(null=True)
    problems = models.JSONField(default=list, help_text="Descriptions of the first problems.")
    locations = models.JSONField(default=list, help_text="The seal and the row of each problem, or null.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        started_at: datetime | None = self.started_at
        return gettext("Verification of %s") % f"{started_at:%Y-%m-%d %H:%M}" if started_at else gettext("Verification")

    @property
    def is_intact(self) -> bool:
        return not self.problems


class CheckpointTarget(models.Model):
    """The delivery status for an AUDIT_CHECKPOINTS entry."""

    destination = models.CharField(max_length=500, primary_key=True, help_text="The entry in AUDIT_CHECKPOINTS.")
    last_sent_seal = models.BigIntegerField(default=0, help_text="Number of the last seal sent.")
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(
        blank=True, default="", help_text="Why the last attempt failed; empty if it succeeded."
    )

    def __str__(self) -> str:
        return self.destination
