"""The append-only audit log. `audit.log.record` is its one writer."""

from typing import Any, NoReturn

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F


class AppendOnlyError(Exception):
    """Somebody tried to change or delete a row of the audit log."""


class CurrentTransaction(models.Func):
    """The id of the transaction that writes the row, so that readers can tell which rows are still to come."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class AuditLogQuerySet(models.QuerySet["AuditLog"]):
    def about(self, user_id: int) -> "AuditLogQuerySet":
        """Rows about one person: the user row and the profiles of that user."""
        return self.filter(subject_id=user_id)

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("Rows of the audit log are never changed; write a new row with audit.log.record().")

    def delete(self) -> NoReturn:
        raise AppendOnlyError("Rows of the audit log are never deleted.")

    delete.queryset_only = True  # type: ignore[attr-defined]  # as Django's own, keeps it off the manager

    def _raw_delete(self, using: str | None) -> NoReturn:
        self.delete()

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        self.update()


class AuditLog(models.Model):
    """One fact about a change: what was done to whom, by whom, and what was true then.

    Personal columns may go from a value to NULL, which is erasure, and nothing else of a row may ever change; a database
    trigger enforces it. `personal_digest` is a salted digest of those columns, so an erased row can still be verified;
    see audit.canonical.
    """

    class Action(models.TextChoices):
        # A user first became known here.
        USER_CREATED = "USER_CREATED"
        # A synced field of a user changed.
        USER_UPDATED = "USER_UPDATED"
        # Clerk deleted the user; the row stays as a tombstone.
        USER_DELETED = "USER_DELETED"
        # A user gained or lost one role; one row for each.
        ROLE_ADDED = "ROLE_ADDED"
        ROLE_REMOVED = "ROLE_REMOVED"
        # A profile was made because its role was given.
        PROFILE_CREATED = "PROFILE_CREATED"
        # A fact of a profile changed, its reasons for not being visible included.
        PROFILE_UPDATED = "PROFILE_UPDATED"
        # An account from before Clerk was given its person's Clerk id.
        IDENTITY_LINKED = "IDENTITY_LINKED"
        # An admin moved an identity at Clerk from one account to another; one row for each of the two.
        IDENTITY_MOVED = "IDENTITY_MOVED"
        # Two accounts may be one person's: found, and what an admin said.
        CONFLICT_OPENED = "CONFLICT_OPENED"
        CONFLICT_RESOLVED = "CONFLICT_RESOLVED"
        # Somebody asked for an account to be deleted, or kept after all.
        DELETION_REQUESTED = "DELETION_REQUESTED"
        DELETION_CANCELLED = "DELETION_CANCELLED"
        # Who a deleted person was is not known here any more.
        PERSON_ERASED = "PERSON_ERASED"
        # Everything held about a person was asked for, and put together.
        DATA_EXPORT_REQUESTED = "DATA_EXPORT_REQUESTED"
        DATA_EXPORTED = "DATA_EXPORTED"
        # Clerk refused for good what was to be brought there; its roles count here again.
        PUSH_REFUSED = "PUSH_REFUSED"
        # Something else kept writing other values into Clerk's metadata, and is let win.
        PUSH_STOPPED = "PUSH_STOPPED"
        # Somebody asked for a failed or dead event to be tried again.
        EVENT_RETRIED = "EVENT_RETRIED"
        # Somebody took care of an alert, put it off, or said that it is over.
        ALERT_ACKNOWLEDGED = "ALERT_ACKNOWLEDGED"
        ALERT_SNOOZED = "ALERT_SNOOZED"
        ALERT_RESOLVED = "ALERT_RESOLVED"

    class Source(models.TextChoices):
        WEBHOOK = "webhook"
        COMMAND = "command"
        RECONCILIATION = "reconciliation"
        REQUEST = "request"
        SYSTEM = "system"

    timestamp = models.DateTimeField()
    action = models.CharField(max_length=40, choices=Action)
    source = models.CharField(max_length=16, choices=Source)
    # History outlives everybody: no constraint ties a row to people who may go.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    target = models.CharField(max_length=80, help_text="The changed object, such as accounts.user:42.")
    subject = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The person the row is about, who may be somebody else than the actor.",
    )
    changed = ArrayField(models.CharField(max_length=40), help_text="Names of the changed fields.")
    delivery = models.CharField(max_length=255, null=True, help_text="The svix-id of the event behind the change.")
    impersonator = models.CharField(
        max_length=64, null=True, help_text="The Clerk id of who really acted, in the place of the actor."
    )
    transaction = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    # Personal: may become NULL, once and for ever.
    actor_label = models.TextField(null=True)
    target_label = models.TextField(null=True)
    details = models.JSONField(null=True, help_text="[old, new] of each changed field, and further facts.")
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(null=True)
    # Salts go with what they salt: with the salt at hand, an erased address would be found by trying them all.
    personal_salt = models.BinaryField(null=True)
    actor_salt = models.BinaryField(null=True)
    # A digest of each personal column; what is not erased can be verified beside what is. NULL in rows from before it.
    personal_parts = models.BinaryField(null=True)
    personal_digest = models.BinaryField()

    objects = AuditLogQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            # One person's story and the account page's recent activity.
            models.Index(F("subject"), F("id").desc(), name="audit_log_subject_recent"),
            # The log of one object in the admin.
            models.Index(F("target"), F("id").desc(), name="audit_log_target_recent"),
            # From an event to what it changed.
            models.Index(F("delivery"), name="audit_log_delivery", condition=models.Q(delivery__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError("Rows of the audit log are never changed; write a new row with audit.log.record().")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("Rows of the audit log are never deleted.")
