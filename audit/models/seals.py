"""What vouches for the log, and what came of comparing it."""

from django.db import models

from audit.models.append_only import AppendOnly, AppendOnlyQuerySet


class AuditSeal(AppendOnly):
    """A link of the chain that vouches for rows of the log; see audit.sealing.seals."""

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 and so on without a gap.")
    sealed_at = models.DateTimeField()
    form = models.PositiveSmallIntegerField(help_text="How rows and seals were written down to be digested.")
    # It covers the rows after those of the seal before it, up to and with this one, in the order (transaction, id).
    last_transaction = models.BigIntegerField()
    last_id = models.BigIntegerField()
    # What follows is for databases that were restored or moved; see audit.sealing.seals.
    cluster = models.CharField(max_length=32, help_text="The server whose transactions are meant.")
    floor_id = models.BigIntegerField(help_text="Only rows with greater ids are of that server.")
    max_id = models.BigIntegerField(help_text="The greatest id in this seal and all before it.")
    rows = models.PositiveIntegerField(help_text="How many rows it covers.")
    total = models.PositiveBigIntegerField(help_text="How many rows it and all seals before it cover.")
    leaves = models.BinaryField(help_text="Id and digest of each row, so that the one that was changed can be named.")
    digest = models.BinaryField(help_text="SHA-256 of the leaves.")
    previous_mac = models.BinaryField(help_text="The mac of the seal before it; empty in the first.")
    key_id = models.CharField(max_length=16, help_text="Which key of AUDIT_SEAL_KEY it was made with.")
    mac = models.BinaryField(help_text="HMAC-SHA256 of all of this.")

    objects = AppendOnlyQuerySet["AuditSeal"].as_manager()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"seal {self.number}"


class AuditVerification(models.Model):
    """What came of comparing the log with its seals, once."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    seals = models.PositiveBigIntegerField(help_text="How many seals were verified.")
    rows = models.PositiveBigIntegerField(help_text="How many rows were.")
    erased = models.PositiveBigIntegerField(help_text="Rows of which something is erased, which is fine.")
    # No foreign keys: what is missing is what is told of.
    first_bad_seal = models.BigIntegerField(null=True)
    first_bad_row = models.BigIntegerField(null=True)
    problems = models.JSONField(default=list, help_text="The first of them, as sentences.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"verification {self.pk}"

    @property
    def is_good(self) -> bool:
        """Return whether log and seals agreed."""
        return not self.problems


class CheckpointTarget(models.Model):
    """How far one target of AUDIT_CHECKPOINTS was told of new seals."""

    address = models.CharField(max_length=500, primary_key=True, help_text="As in AUDIT_CHECKPOINTS.")
    sent_up_to = models.BigIntegerField(default=0, help_text="Number of the last seal it was told of.")
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="", help_text="Why it could not be told; empty if it could.")

    def __str__(self) -> str:
        return self.address
