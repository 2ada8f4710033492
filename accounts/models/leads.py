"""People who are not users yet: entries of Clerk's waitlist, and invitations."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Lead(models.Model):
    """A waitlist entry or an invitation in Clerk. See accounts.leads.

    A row is never deleted. If its personal data is erased, later events about it are stale and cannot restore the data.
    """

    class Kind(models.TextChoices):
        WAITLIST = "waitlist", _("Waitlist entry")
        INVITATION = "invitation", _("Invitation")

    class State(models.TextChoices):
        """Clerk's statuses.

        Pending and the next three are statuses of waitlist entries. Pending, accepted, revoked and expired are statuses
        of invitations.
        """

        WAITING = "pending", _("Pending")
        INVITED = "invited", _("Invited")
        COMPLETED = "completed", _("Signed up")
        REJECTED = "rejected", _("Rejected")
        ACCEPTED = "accepted", _("Accepted")
        REVOKED = "revoked", _("Revoked")
        EXPIRED = "expired", _("Expired")
        UNKNOWN = "unknown", _("Unknown")
        # Not a status of Clerk: the entry is missing from Clerk's list.
        DELETED = "deleted", _("Deleted in Clerk")

    lead_id = models.CharField(_("Clerk ID"), max_length=64)
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State)
    email = models.EmailField(blank=True, help_text=_("In lower case. Clerk does not verify the address."))
    invitation_id = models.CharField(
        max_length=64, blank=True, help_text=_("The invitation that was sent for the waitlist entry.")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="leads",
        help_text=_("The user with this verified email address."),
    )
    clerk_created_at = models.DateTimeField()
    clerk_updated_at = models.DateTimeField()
    #: Compared with the next payload's version. See accounts.clerk.lead_payloads.ClerkLead.version.
    version = models.CharField(max_length=128)
    # Written by accounts.leads.decisions.
    reason = models.CharField(
        max_length=500, blank=True, default="", db_default="", help_text=_("The reason for the last decision.")
    )
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    # An approval that waits for a job. The last decision is kept until it succeeds. See accounts.leads.approvals.
    approval_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    approval_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        # Without a constraint and an index, adding the column does not block writes. Users are never deleted.
        db_constraint=False,
        db_index=False,
    )
    approval_reason = models.CharField(max_length=500, blank=True, default="", db_default="", editable=False)
    approval_error = models.CharField(
        max_length=500, blank=True, default="", db_default="", editable=False, help_text="Why the approval failed."
    )
    erased_at = models.DateTimeField(null=True, blank=True, help_text=_("When the personal data was erased."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lead_id"], name="accounts_lead_id_unique"),
            models.CheckConstraint(
                condition=Q(erased_at=None) | Q(email="", reason=""), name="accounts_lead_erased_without_data"
            ),
        ]
        indexes = [
            # For a user's leads.
            models.Index(fields=["email"], name="accounts_lead_email"),
            # For leads without a user, and for the retention period.
            models.Index(
                fields=["clerk_updated_at"], name="accounts_lead_without_user", condition=Q(user=None, erased_at=None)
            ),
            # For the admin list, by state.
            models.Index(F("state"), F("id").desc(), name="accounts_lead_state"),
        ]

    def __str__(self) -> str:
        # Without the address, because the audit log stores this text permanently.
        return self.lead_id
