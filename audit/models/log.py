"""The append-only audit log. `audit.log.record` is its one writer."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F

from audit.models.append_only import AppendOnly, AppendOnlyQuerySet
from core.db.transactions import CurrentTransaction, NextTransaction

#: More than hosts' clocks, and the writing and the time of a row, can lie apart.
CLOCKS_DIFFER = timedelta(hours=1)
#: Actions that webhooks write, which are nearly all rows.
USUAL = [
    *("USER_CREATED", "USER_UPDATED", "USER_DELETED", "ROLE_ADDED", "ROLE_REMOVED"),
    *("PROFILE_CREATED", "PROFILE_UPDATED"),
]


class _ComparedPosition(models.Func):
    """Compare where a row stands in the order of sealing with a transaction and an id; as a pair, an index finds it."""

    arity = 2
    output_field = models.BooleanField()


class _After(_ComparedPosition):
    template = "(transaction, id) > (%(expressions)s)"


class _UpTo(_ComparedPosition):
    template = "(transaction, id) <= (%(expressions)s)"


class AuditLogQuerySet(AppendOnlyQuerySet["AuditLog"]):
    def about(self, user_id: int) -> "AuditLogQuerySet":
        """Rows about one person: the user row and the profiles of that user."""
        return self.filter(subject_id=user_id)

    def after(self, transaction: int, row_id: int) -> "AuditLogQuerySet":
        """Rows behind a position in the order of sealing, and in that order; see audit.sealing.seals."""
        return self.filter(_After(models.Value(transaction), models.Value(row_id))).order_by("transaction", "id")

    def up_to(self, transaction: int, row_id: int) -> "AuditLogQuerySet":
        """Rows before a position in the order of sealing, and the one that stands there."""
        return self.filter(_UpTo(models.Value(transaction), models.Value(row_id)))

    def written_between(self, since: datetime | None, until: datetime | None) -> "AuditLogQuerySet":
        """Rows of a span of time; until is not part of it.

        The planner thinks matching rows lie everywhere and reads from the newest row on, which took 0.7 s for two hours
        among a million rows. Rows are written in about the order of their times, so ids bound the span, too. The hour
        on both sides is for clocks that differ, and for rows that were collected for a while.
        """
        found = self
        if since:
            before = AuditLog.objects.filter(timestamp__lt=since - CLOCKS_DIFFER).order_by("-timestamp")
            last = before.values_list("pk", flat=True).first()
            found = found.filter(timestamp__gte=since)
            found = found if last is None else found.filter(pk__gt=last)
        if until:
            after = AuditLog.objects.filter(timestamp__gte=until + CLOCKS_DIFFER).order_by("timestamp")
            first = after.values_list("pk", flat=True).first()
            found = found.filter(timestamp__lt=until)
            found = found if first is None else found.filter(pk__lt=first)
        return found

    def foreign(self) -> "AuditLogQuerySet":
        """Rows whose transaction has not begun on this server: they came with a restored database, or are forged."""
        return self.filter(transaction__gte=NextTransaction())

    def last_id(self) -> int | None:
        """Return the greatest id, or None if there is no row."""
        return self.order_by("-pk").values_list("pk", flat=True).first()


def action_choices() -> list[tuple[str, str]]:
    """Return the choices of `AuditLog.action`. Migrations refer to this function, so a new action needs none."""
    return AuditLog.Action.choices


class AuditLog(AppendOnly):
    """One fact about a change: what was done to whom, by whom, and what was true then.

    Personal columns may go from a value to NULL, which is erasure, and nothing else of a row may ever change; a database
    trigger enforces it. `personal_digest` is a salted digest of those columns, so an erased row can still be verified;
    see audit.sealing.digests.
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
        # Somebody asked for events to be applied once more, or only tried; and slowed that down, or stopped it.
        REPLAY_STARTED = "REPLAY_STARTED"
        REPLAY_CHANGED = "REPLAY_CHANGED"
        # An event was applied once more because of that; in the transaction that did it.
        EVENT_REPLAYED = "EVENT_REPLAYED"
        # Somebody said that nothing more is to be done about a failed or dead event.
        EVENT_RESOLVED = "EVENT_RESOLVED"
        # Somebody took an event along as a test fixture, without personal data.
        EVENT_COPIED = "EVENT_COPIED"
        # Somebody had one person compared with Clerk.
        PERSON_FETCHED = "PERSON_FETCHED"
        # Somebody was shown the personal values in an event's payload; written before they are shown.
        PAYLOAD_REVEALED = "PAYLOAD_REVEALED"
        # Somebody took care of an alert, put it off, or said that it is over.
        ALERT_ACKNOWLEDGED = "ALERT_ACKNOWLEDGED"
        ALERT_SNOOZED = "ALERT_SNOOZED"
        ALERT_RESOLVED = "ALERT_RESOLVED"
        # Somebody took rows of this log along as a file; written before the first of them leaves.
        AUDIT_EXPORTED = "AUDIT_EXPORTED"
        # An admin switched a part of the product on or off, for everybody or for some.
        FLAG_SWITCHED = "FLAG_SWITCHED"
        # A local operator made, renamed or deleted a group, or changed what it permits.
        GROUP_CHANGED = "GROUP_CHANGED"
        # A local operator put somebody into a group, or took them out; one row for each person.
        GROUP_JOINED = "GROUP_JOINED"
        GROUP_LEFT = "GROUP_LEFT"
        # Somebody took a list of webhook events along as a file; written before the first of them leaves.
        EVENTS_EXPORTED = "EVENTS_EXPORTED"

    class Source(models.TextChoices):
        WEBHOOK = "webhook"
        COMMAND = "command"
        RECONCILIATION = "reconciliation"
        REQUEST = "request"
        SYSTEM = "system"

    timestamp = models.DateTimeField()
    action = models.CharField(max_length=40, choices=action_choices)
    source = models.CharField(max_length=16, choices=Source)
    # History outlives everybody: no constraint ties a row to people who may go.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
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
            # What one person did, in the admin, and what is erased of it.
            models.Index(
                F("actor"), F("id").desc(), name="audit_log_actor_recent", condition=models.Q(actor__isnull=False)
            ),
            # Sealing and verifying, which read in this order; see audit.sealing.seals.
            models.Index(F("transaction"), F("id"), name="audit_log_sealing"),
            # The admin's filters by action and by source. What webhooks write is so much that reading the newest rows
            # finds a page of it, and is left out, so that ingestion does not pay for these.
            models.Index(
                F("action"), F("id").desc(), name="audit_log_rare_action", condition=~models.Q(action__in=USUAL)
            ),
            models.Index(
                F("source"), F("id").desc(), name="audit_log_rare_source", condition=~models.Q(source="webhook")
            ),
            # The admin's filter by who acted, for those who act seldom.
            models.Index(F("id").desc(), name="audit_log_by_people", condition=models.Q(actor__isnull=False)),
            models.Index(F("id").desc(), name="audit_log_impersonated", condition=models.Q(impersonator__isnull=False)),
            models.Index(
                F("id").desc(),
                name="audit_log_by_system",
                condition=models.Q(actor__isnull=True) & ~models.Q(source="webhook"),
            ),
            # The admin's time range: where to begin and to end; see written_between.
            models.Index(F("timestamp"), name="audit_log_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
