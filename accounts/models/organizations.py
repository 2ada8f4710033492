"""Organizations in Clerk, their members and invitations. Only `accounts.organizations.apply` writes Clerk's fields."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def live(self) -> "OrganizationQuerySet":
        """Return organizations that have not been deleted in Clerk and whose name is known."""
        return self.filter(deleted_at=None).exclude(clerk_version="")


class Organization(models.Model):
    """An organization in Clerk, or a deleted organization's tombstone.

    The row is provisional, without a version and a name, if only the ID is known, for example from an invitation.
    """

    clerk_id = models.CharField(max_length=64, editable=False)
    name = models.CharField(max_length=200, blank=True)
    # Not unique, because a slug can move to another organization while events are still in flight.
    slug = models.CharField(max_length=100, blank=True)
    image_url = models.URLField(max_length=2000, blank=True)
    clerk_created_at = models.DateTimeField(null=True, blank=True, editable=False)
    clerk_updated_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Compared with the next payload's version. See accounts.clerk.fields.version_of.
    clerk_version = models.CharField(max_length=128, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clerk_id"], name="accounts_organization_id_unique"),
        ]
        indexes = [
            # For the public page of an organization.
            models.Index(fields=["slug"], name="accounts_organization_slug", condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.name or self.clerk_id

    @property
    def url_name(self) -> str:
        """The part of the public page's URL that identifies the organization."""
        return self.slug or self.clerk_id

    @property
    def visible_image_url(self) -> str:
        """The image from Clerk, or "" if browsers would block it."""
        return self.image_url if self.image_url.startswith(f"{settings.CLERK_IMAGE_ORIGIN}/") else ""


class MembershipQuerySet(models.QuerySet["OrganizationMembership"]):
    def live(self) -> "MembershipQuerySet":
        """Return memberships in effect: neither the membership, the organization nor the user is deleted."""
        return self.filter(deleted_at=None, organization__deleted_at=None, user__deleted_at=None)

    def of(self, user_id: int) -> "MembershipQuerySet":
        """Return the memberships in effect of one user, with known organizations, by name."""
        known = self.live().filter(user__pk=user_id).exclude(organization__clerk_version="")
        return known.select_related("organization").order_by("organization__name", "pk")


class OrganizationMembership(models.Model):
    """A user's membership in an organization, or a deleted membership's tombstone.

    The user is identified by the Clerk ID, so a membership can be stored before its user, and follows the identity if an
    admin moves it to another account.
    """

    clerk_id = models.CharField(max_length=64, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        to_field="clerk_id",
        db_column="user_clerk_id",
        db_constraint=False,
        related_name="memberships",
    )
    role = models.CharField(max_length=100, blank=True, help_text="The role's key in Clerk, such as org:admin.")
    role_name = models.CharField(max_length=100, blank=True)
    clerk_created_at = models.DateTimeField(null=True, blank=True, editable=False)
    clerk_updated_at = models.DateTimeField(null=True, blank=True, editable=False)
    clerk_version = models.CharField(max_length=128, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    shown_at = models.DateTimeField(
        null=True, blank=True, help_text="When the user chose to show the organization on their page."
    )
    # An admin's request to remove the member. See accounts.organizations.removal.
    removal_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    removal_error = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Why Clerk rejected the removal.",
    )

    objects = MembershipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["clerk_id"], name="accounts_membership_id_unique"),
        ]

    def __str__(self) -> str:
        return self.clerk_id


class OrganizationInvitation(models.Model):
    """An invitation to an organization, or its tombstone without the address.

    Accepted and revoked invitations never become pending again. If the personal data of an invitation is erased, later
    events about the invitation are stale and cannot restore the data.
    """

    #: How long finished and expired invitations are kept, in days.
    RETENTION_DAYS: ClassVar[int] = 30

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        ACCEPTED = "accepted", _("Accepted")
        REVOKED = "revoked", _("Revoked")
        EXPIRED = "expired", _("Expired")

    clerk_id = models.CharField(max_length=64, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="invitations")
    email = models.EmailField(blank=True)
    #: The Clerk ID of the user who accepted the invitation, or whose erasure also erased it. Otherwise "".
    user_clerk_id = models.CharField(max_length=64, blank=True, db_index=True)
    role = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    expires_at = models.DateTimeField(null=True, blank=True)
    clerk_updated_at = models.DateTimeField(null=True, blank=True)
    clerk_version = models.CharField(max_length=128, blank=True, editable=False)
    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the personal data was erased."
    )

    class Meta:
        ordering = [F("clerk_updated_at").desc(nulls_last=True), "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["clerk_id"], name="accounts_org_invitation_unique"),
        ]
        indexes = [
            # For erasing the invitations of a person.
            models.Index(fields=["email"], name="accounts_org_invitation_email"),
        ]

    def __str__(self) -> str:
        return self.clerk_id
