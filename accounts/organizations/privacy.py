"""Export and erase a user's memberships and organization invitations."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.clerk.organization_payloads import ClerkOrganizationInvitation
from accounts.models import OrganizationInvitation, OrganizationMembership, User


def export_memberships(user: User) -> list[dict[str, Any]]:
    organization = F("organization__name")
    columns = ("role", "role_name", "clerk_created_at", "shown_at", "removal_requested_at", "deleted_at")
    return list(_memberships(user).order_by("pk").values(*columns, organization_name=organization))


def export_invitations(user: User) -> list[dict[str, Any]]:
    organization = F("organization__name")
    columns = ("email", "role", "state", "expires_at")
    return list(_invitations(user).order_by("pk").values(*columns, organization_name=organization))


def erase(user: User) -> None:
    """Delete the memberships, and erase the invitations. Their IDs stay, so that a late event cannot restore the address."""
    _memberships(user).delete()
    _invitations(user).update(email="", role="", user_clerk_id=user.clerk_id or "", erased_at=timezone.now())


def is_expired(invitation: ClerkOrganizationInvitation) -> bool:
    """Return whether `delete_expired` would delete this invitation."""
    return (invitation.expires_at or invitation.updated_at) < _retention_start()


def _retention_start() -> datetime:
    return timezone.now() - timedelta(days=OrganizationInvitation.RETENTION_DAYS)


def delete_expired() -> None:
    """Delete invitations a month after they expired, or after their last change if their expiry is unknown."""
    invitations = OrganizationInvitation.objects.filter(erased_at=None)
    invitations = invitations.annotate(ended_at=Coalesce("expires_at", "clerk_updated_at"))
    invitations.filter(ended_at__lt=_retention_start()).delete()


def _memberships(user: User) -> QuerySet[OrganizationMembership]:
    return OrganizationMembership.objects.filter(user__clerk_id=user.clerk_id or "")


def _invitations(user: User) -> QuerySet[OrganizationInvitation]:
    """Return the invitations that the user accepted, or that were sent to the user's email if Clerk has verified it."""
    condition = Q(user_clerk_id=user.clerk_id) if user.clerk_id else Q(pk__in=[])
    if user.email and user.email_verified_at:
        condition |= Q(email=user.email)
    return OrganizationInvitation.objects.filter(condition)
