"""The append-only audit log. Only `audit.log.record` writes to it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F

from audit.models.append_only import AppendOnly, AppendOnlyQuerySet
from core.db.transactions import CurrentTransaction, NextTransaction

#: Maximum clock difference between hosts plus the maximum time between a row's timestamp and its insertion.
MAX_CLOCK_SKEW = timedelta(hours=1)
#: Actions written by webhooks, which account for nearly all rows.
COMMON_ACTIONS = [
    *("USER_CREATED", "USER_UPDATED", "USER_DELETED", "ROLE_ADDED", "ROLE_REMOVED"),
    *("PROFILE_CREATED", "PROFILE_UPDATED", "USER_SIGNED_IN"),
]


class _ComparedPosition(models.Func):
    """Compare (transaction, id) with a position in sealing order. As a row comparison, it can use the index."""

    arity = 2
    output_field = models.BooleanField()


class _After(_ComparedPosition):
    template = "(transaction, id) > (%(expressions)s)"


class _UpTo(_ComparedPosition):
    template = "(transaction, id) <= (%(expressions)s)"


class AuditLogQuerySet(AppendOnlyQuerySet["AuditLog"]):
    def about(self, user_id: int) -> "AuditLogQuerySet":
        """Return rows about a user, including the user's profiles."""
        return self.filter(subject_id=user_id)

    def after(self, transaction: int, row_id: int) -> "AuditLogQuerySet":
        """Return rows after a position, in sealing order. See audit.sealing.seals."""
        return self.filter(_After(models.Value(transaction), models.Value(row_id))).order_by("transaction", "id")

    def up_to(self, transaction: int, row_id: int) -> "AuditLogQuerySet":
        """Return rows up to and including a position in sealing order."""
        return self.filter(_UpTo(models.Value(transaction), models.Value(row_id)))

    def written_between(self, since: datetime | None, until: datetime | None) -> "AuditLogQuerySet":
        """Return rows from `since` (inclusive) to `until` (exclusive).

        The planner assumes that matching rows are evenly distributed and scans from the newest row. This took 0.7 s for
        a two-hour range in a million rows. Rows are inserted roughly in timestamp order, so the range is also limited
        by id. A margin of one hour on both sides allows for clock differences and batched rows.
        """
        found = self
        if since:
            before = AuditLog.objects.filter(timestamp__lt=since - MAX_CLOCK_SKEW).order_by("-timestamp")
            last = before.values_list("pk", flat=True).first()
            found = found.filter(timestamp__gte=since)
            found = found if last is None else found.filter(pk__gt=last)
        if until:
            after = AuditLog.objects.filter(timestamp__gte=until + MAX_CLOCK_SKEW).order_by("timestamp")
            first = after.values_list("pk", flat=True).first()
            found = found.filter(timestamp__lt=until)
            found = found if first is None else found.filter(pk__lt=first)
        return found

    def from_other_server(self) -> "AuditLogQuerySet":
        """Return rows whose transaction has not started on this server.

        They were restored from another server or forged.
        """
        return self.filter(transaction__gte=NextTransaction())

    def last_id(self) -> int | None:
        return self.order_by("-pk").values_list("pk", flat=True).first()


def action_choices() -> list[tuple[str, str]]:
    """Return the choices for `AuditLog.action`. Migrations refer to this function, so new actions need no migration."""
    return AuditLog.Action.choices


class AuditLog(AppendOnly):
    """A record of a change to an object by an actor, with the labels and values at that time.

    Personal columns may change from a value to NULL (erasure), but only after their user is marked as erased. All other
    columns are immutable. A database trigger enforces this: see migration 0002_append_only. `personal_digest` is a
    salted digest of the personal columns, so that erased rows can still be verified. See audit.sealing.digests.
    """

    class Action(models.TextChoices):
        # A user was stored for the first time.
        USER_CREATED = "USER_CREATED"
        # A synced field of a user changed.
        USER_UPDATED = "USER_UPDATED"
        # Clerk deleted the user. The row stays as a tombstone.
        USER_DELETED = "USER_DELETED"
        # A user gained or lost a role. There is one row per role.
        ROLE_ADDED = "ROLE_ADDED"
        ROLE_REMOVED = "ROLE_REMOVED"
        # An admin changed a user's roles. The row contains the reason, which is erased with the user. ROLE_ADDED and
        # ROLE_REMOVED, which are never erased, contain the roles.
        ROLES_CHANGED = "ROLES_CHANGED"
        # An admin asked the other admins to approve a new admin. Only with ADMIN_APPROVAL.
        ADMIN_REQUESTED = "ADMIN_REQUESTED"
        # Another admin approved or refused the request, or no admin decided on it in time.
        ADMIN_APPROVED = "ADMIN_APPROVED"
        ADMIN_REFUSED = "ADMIN_REFUSED"
        ADMIN_EXPIRED = "ADMIN_EXPIRED"
        # A profile was created because its user gained a role.
        PROFILE_CREATED = "PROFILE_CREATED"
        # A profile field changed, including fields that hide the profile.
        PROFILE_UPDATED = "PROFILE_UPDATED"
        # A pre-Clerk account was linked to a Clerk ID.
        IDENTITY_LINKED = "IDENTITY_LINKED"
        # An admin moved a Clerk identity from one account to another. There is one row per account.
        IDENTITY_MOVED = "IDENTITY_MOVED"
        # Two accounts that may belong to the same person were found.
        CONFLICT_OPENED = "CONFLICT_OPENED"
        # An admin resolved an identity conflict.
        CONFLICT_RESOLVED = "CONFLICT_RESOLVED"
        # An admin approved deletions that reconciliation had skipped because there were suspiciously many.
        DELETIONS_APPROVED = "DELETIONS_APPROVED"
        # An account deletion was requested or cancelled.
        DELETION_REQUESTED = "DELETION_REQUESTED"
        DELETION_CANCELLED = "DELETION_CANCELLED"
        # A deleted user's personal data was erased.
        PERSON_ERASED = "PERSON_ERASED"
        # A copy of all data about a user was requested or completed.
        DATA_EXPORT_REQUESTED = "DATA_EXPORT_REQUESTED"
        DATA_EXPORTED = "DATA_EXPORTED"
        # Clerk permanently rejected a metadata push, so the local roles were reset to Clerk's.
        PUSH_REFUSED = "PUSH_REFUSED"
        # Another system kept overwriting Clerk's metadata. Pushing stopped, and the other system's values were kept.
        PUSH_STOPPED = "PUSH_STOPPED"
        # An admin retried a metadata push.
        PUSH_RETRIED = "PUSH_RETRIED"
        # An admin requested a retry of a failed or dead event.
        EVENT_RETRIED = "EVENT_RETRIED"
        # An admin started a replay or a dry run.
        REPLAY_STARTED = "REPLAY_STARTED"
        # An admin changed a replay's rate limit or stopped the replay.
        REPLAY_CHANGED = "REPLAY_CHANGED"
        # A replay applied an event. Written in the same transaction.
        EVENT_REPLAYED = "EVENT_REPLAYED"
        # An admin retried or discarded a background job that had failed.
        JOB_RETRIED = "JOB_RETRIED"
        JOB_DISCARDED = "JOB_DISCARDED"
        # An admin cancelled a background job that had not started.
        JOB_CANCELLED = "JOB_CANCELLED"
        # An admin changed the state of an error group.
        ERROR_GROUP_CHANGED = "ERROR_GROUP_CHANGED"
        # An admin marked a failed or dead event as resolved.
        EVENT_RESOLVED = "EVENT_RESOLVED"
        # An admin copied an event as a test fixture without personal data.
        EVENT_COPIED = "EVENT_COPIED"
        # An admin compared one user with Clerk.
        PERSON_FETCHED = "PERSON_FETCHED"
        # An admin started a comparison with Clerk for one or all users, either as a dry run or with repairs.
        RECONCILIATION_STARTED = "RECONCILIATION_STARTED"
        # An admin requested a verification of the audit log.
        VERIFICATION_REQUESTED = "VERIFICATION_REQUESTED"
        # An admin made Svix resend failed or missed deliveries.
        DELIVERIES_RECOVERED = "DELIVERIES_RECOVERED"
        # An admin sent a test delivery to this site. The row contains the response.
        TEST_DELIVERY_SENT = "TEST_DELIVERY_SENT"
        # An admin decided about a user's report of a page or message.
        REPORT_DECIDED = "REPORT_DECIDED"
        # A builder asked for a tier or badge, or withdrew the request.
        REVIEW_REQUESTED = "REVIEW_REQUESTED"
        REVIEW_WITHDRAWN = "REVIEW_WITHDRAWN"
        # A review request was assigned to an admin, or its assignment was removed.
        REVIEW_ASSIGNED = "REVIEW_ASSIGNED"
        # An admin decided about a review request. The change of the tier or badge has its own row.
        REVIEW_DECIDED = "REVIEW_DECIDED"
        # An admin opened a file of a review request. Written before the file is sent.
        REVIEW_FILE_OPENED = "REVIEW_FILE_OPENED"
        # An admin viewed the personal data in an event's payload. Written before the data is shown.
        PAYLOAD_REVEALED = "PAYLOAD_REVEALED"
        # An admin acknowledged, snoozed or resolved an alert.
        ALERT_ACKNOWLEDGED = "ALERT_ACKNOWLEDGED"
        ALERT_SNOOZED = "ALERT_SNOOZED"
        ALERT_RESOLVED = "ALERT_RESOLVED"
        # An admin sent a test message to a notification channel. The row contains the channel's answer.
        ALERT_CHANNEL_TESTED = "ALERT_CHANNEL_TESTED"
        # An admin scheduled a maintenance window, or ended or cancelled one.
        MAINTENANCE_SCHEDULED = "MAINTENANCE_SCHEDULED"
        MAINTENANCE_ENDED = "MAINTENANCE_ENDED"
        # An admin exported audit rows. Written before the first row is sent.
        AUDIT_EXPORTED = "AUDIT_EXPORTED"
        # An admin turned a feature flag on or off for all users or for some users.
        FLAG_SWITCHED = "FLAG_SWITCHED"
        # A local operator created, renamed or deleted a group, or changed its permissions.
        GROUP_CHANGED = "GROUP_CHANGED"
        # A local operator added a user to a group or removed a user. There is one row per user.
        GROUP_JOINED = "GROUP_JOINED"
        GROUP_LEFT = "GROUP_LEFT"
        # An admin added, changed or deleted a synonym of the directory search.
        SYNONYM_CHANGED = "SYNONYM_CHANGED"
        # An admin published a new version of a legal text.
        LEGAL_TEXT_PUBLISHED = "LEGAL_TEXT_PUBLISHED"
        # A user agreed to a version of a legal text.
        LEGAL_TEXT_AGREED = "LEGAL_TEXT_AGREED"
        # An admin exported webhook events. Written before the first row is sent.
        EVENTS_EXPORTED = "EVENTS_EXPORTED"
        # An admin banned or locked a user, removed a ban or lock, or ended sessions. The row contains the error if Clerk
        # did not make the change.
        ACCESS_CHANGED = "ACCESS_CHANGED"
        # An admin approved or rejected a waitlist entry, revoked an invitation, or invited a person. The row contains the
        # new state, or the error if Clerk did not make the change.
        LEAD_DECIDED = "LEAD_DECIDED"
        # An admin erased a waitlist entry or an invitation. The row contains a fixed reason, or the error if Clerk did not
        # delete or revoke it.
        LEAD_ERASED = "LEAD_ERASED"
        # An admin added a note about a user, or deleted it. The row does not contain the text.
        USER_NOTE_ADDED = "USER_NOTE_ADDED"
        USER_NOTE_DELETED = "USER_NOTE_DELETED"
        # An organization was stored for the first time, changed, or was deleted in Clerk.
        ORGANIZATION_CREATED = "ORGANIZATION_CREATED"
        ORGANIZATION_UPDATED = "ORGANIZATION_UPDATED"
        ORGANIZATION_DELETED = "ORGANIZATION_DELETED"
        # A user joined an organization, got another role in it, or left it. The target is the organization.
        MEMBERSHIP_ADDED = "MEMBERSHIP_ADDED"
        MEMBERSHIP_CHANGED = "MEMBERSHIP_CHANGED"
        MEMBERSHIP_REMOVED = "MEMBERSHIP_REMOVED"
        # An admin asked Clerk to remove a member. MEMBERSHIP_REMOVED follows when Clerk has confirmed it.
        MEMBERSHIP_REMOVAL_REQUESTED = "MEMBERSHIP_REMOVAL_REQUESTED"
        # A user signed in with Clerk.
        USER_SIGNED_IN = "USER_SIGNED_IN"
        # A local operator signed in to the admin with a password.
        ADMIN_SIGNED_IN = "ADMIN_SIGNED_IN"
        # An operator or admin signed out of the admin.
        ADMIN_SIGNED_OUT = "ADMIN_SIGNED_OUT"
        # A password was wrong, or its username unknown. The number of rows per hour is limited.
        ADMIN_SIGN_IN_FAILED = "ADMIN_SIGN_IN_FAILED"
        # A client was locked out after failed sign-ins. The number of rows per hour is limited.
        ADMIN_LOCKED_OUT = "ADMIN_LOCKED_OUT"
        # A local operator was created.
        OPERATOR_CREATED = "OPERATOR_CREATED"
        # The password of a local operator was changed, in the admin or on the command line.
        PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105  # not a password

    class Source(models.TextChoices):
        WEBHOOK = "webhook"
        COMMAND = "command"
        RECONCILIATION = "reconciliation"
        REQUEST = "request"
        SYSTEM = "system"

    #: Actions whose details contain only roles or groups. They are never erased.
    PERMANENT_DETAILS = frozenset({Action.ROLE_ADDED, Action.ROLE_REMOVED, Action.GROUP_JOINED, Action.GROUP_LEFT})

    timestamp = models.DateTimeField()
    action = models.CharField(max_length=40, choices=action_choices)
    source = models.CharField(max_length=16, choices=Source)
    # No foreign key constraints, so that audit rows outlive deleted users.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    target = models.CharField(max_length=80, help_text="The changed object, for example accounts.user:42.")
    subject = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The user the row is about. Can differ from the actor.",
    )
    changed_fields = ArrayField(models.CharField(max_length=40), help_text="Names of the changed fields.")
    delivery = models.CharField(max_length=255, null=True, help_text="The svix-id of the event that caused the change.")
    impersonator = models.CharField(
        max_length=64, null=True, help_text="The Clerk ID of the admin who was signed in as the actor."
    )
    transaction = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)

    # Personal data, permanently set to NULL when its user is erased. Labels and details belong to the subject. The
    # other columns belong to the actor.
    actor_label = models.TextField(null=True)
    target_label = models.TextField(null=True)
    details = models.JSONField(null=True, help_text="[old, new] of each changed field, and other facts.")
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(null=True)
    # Salts are erased together with their columns, because a salt would allow a brute-force search for an erased IP
    # address.
    personal_salt = models.BinaryField(null=True)
    actor_salt = models.BinaryField(null=True)
    # A digest for each personal column, so that the remaining columns can be verified after an erasure.
    column_digests = models.BinaryField(null=True)
    personal_digest = models.BinaryField()

    objects = AuditLogQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            # For a user's timeline and for recent activity on the account page.
            models.Index(F("subject"), F("id").desc(), name="audit_log_subject_recent"),
            # For an object's history in the admin.
            models.Index(F("target"), F("id").desc(), name="audit_log_target_recent"),
            # For finding the rows that an event changed.
            models.Index(F("delivery"), name="audit_log_delivery", condition=models.Q(delivery__isnull=False)),
            # For a user's actions in the admin, and for their erasure.
            models.Index(
                F("actor"), F("id").desc(), name="audit_log_actor_recent", condition=models.Q(actor__isnull=False)
            ),
            # For sealing and verification, which read in this order. See audit.sealing.seals.
            models.Index(F("transaction"), F("id"), name="audit_log_sealing"),
            # For the admin's filters by action and source. The index excludes rows written by webhooks, so that it does
            # not slow down ingestion. These rows are so common that a scan of the newest rows finds a full page.
            models.Index(
                F("action"),
                F("id").desc(),
                name="audit_log_rare_action",
                condition=~models.Q(action__in=COMMON_ACTIONS),
            ),
            models.Index(
                F("source"), F("id").desc(), name="audit_log_rare_source", condition=~models.Q(source="webhook")
            ),
            # For the admin's filter by kind of actor. Only rare kinds are indexed.
            models.Index(F("id").desc(), name="audit_log_by_people", condition=models.Q(actor__isnull=False)),
            models.Index(F("id").desc(), name="audit_log_impersonated", condition=models.Q(impersonator__isnull=False)),
            models.Index(
                F("id").desc(),
                name="audit_log_by_system",
                condition=models.Q(actor__isnull=True) & ~models.Q(source="webhook"),
            ),
            # For the first and last id in a time range. See written_between.
            models.Index(F("timestamp"), name="audit_log_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"
