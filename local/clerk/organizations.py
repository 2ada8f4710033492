"""Actions on organizations. Every change publishes one event in the same transaction.

Deleting an organization or a user deletes the memberships without further events. Clerk's documentation does not say
whether Clerk sends organizationMembership.deleted in these cases.
"""

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from local.clerk import serializers
from local.clerk.events.publishing import publish_data
from local.clerk.ids import new_id
from local.clerk.models import Membership, Organization, OrganizationInvitation, User, now_ms
from local.clerk.serializers import Actor

ADMIN, MEMBER = "org:admin", "org:member"
#: The roles that the pages offer. The API accepts all well-formed keys, as if they were custom roles.
ROLES = [(ADMIN, "Admin"), (MEMBER, "Member"), ("org:builder", "Builder (a custom role)")]
ROLE = re.compile(r"org:[a-z0-9_]{1,60}")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class OrganizationError(Exception):
    """Clerk would reject the change.

    Attributes:
        status, code: the response's status and error code.
    """

    def __init__(self, message: str, code: str, status: int = 422) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@transaction.atomic
def create(name: str, slug: str, creator: User | None, actor: Actor) -> Organization:
    """Create an organization. The creator becomes its admin."""
    organization = Organization(name=_name(name), slug=_slug(slug or _slug_of(name)))
    _require_free(organization)
    organization.save(force_insert=True)
    _publish("created", organization, actor)
    if creator:
        add_member(organization, creator, ADMIN, actor)
    return organization


@transaction.atomic
def update(organization: Organization, name: str, slug: str, actor: Actor) -> bool:
    """Save a new name and slug. Return whether anything changed."""
    if (organization.name, organization.slug) == (name, slug):
        return False
    organization.name, organization.slug = _name(name), _slug(slug)
    _require_free(organization)
    organization.updated_ms = max(now_ms(), organization.updated_ms + 1)
    organization.save()
    _publish("updated", organization, actor)
    return True


@transaction.atomic
def delete(organization: Organization, actor: Actor) -> None:
    _publish("deleted", organization, actor)
    Organization.objects.filter(pk=organization.pk).delete()


@transaction.atomic
def add_member(organization: Organization, user: User, role: str, actor: Actor) -> Membership:
    """Add a member, and accept the pending invitations to the user's verified addresses."""
    if organization.memberships.filter(user=user).exists():
        raise OrganizationError(f"{user} is already a member.", "already_a_member_in_organization", 400)
    membership = Membership.objects.create(organization=organization, user=user, role=_role(role))
    addresses = [email["address"].casefold() for email in user.emails if email["verified"]]
    for invitation in organization.invitations.filter(status="pending", address__in=addresses):
        invitation.user_id = user.pk
        _finish(invitation, OrganizationInvitation.Status.ACCEPTED, actor)
    _publish_membership("created", membership, actor)
    return membership


@transaction.atomic
def change_role(membership: Membership, role: str, actor: Actor) -> bool:
    if membership.role == role:
        return False
    membership.role = _role(role)
    membership.updated_ms = max(now_ms(), membership.updated_ms + 1)
    membership.save()
    _publish_membership("updated", membership, actor)
    return True


@transaction.atomic
def remove_member(membership: Membership, actor: Actor) -> None:
    _publish_membership("deleted", membership, actor)
    Membership.objects.filter(pk=membership.pk).delete()


@transaction.atomic
def invite(organization: Organization, address: str, role: str, actor: Actor) -> OrganizationInvitation:
    """Create an invitation. No email is sent. A person who is added with this address accepts the invitation."""
    try:
        validate_email(address)
    except ValidationError:
        raise OrganizationError("Enter a valid email address.", "form_param_format_invalid") from None
    address = address.casefold()
    if organization.invitations.filter(address=address, status="pending").exists():
        raise OrganizationError("There is already a pending invitation to this address.", "duplicate_record", 400)
    invitation = OrganizationInvitation.objects.create(organization=organization, address=address, role=_role(role))
    _publish_invitation("created", invitation, actor)
    return invitation


@transaction.atomic
def revoke(invitation: OrganizationInvitation, actor: Actor) -> None:
    if invitation.status != OrganizationInvitation.Status.PENDING:
        raise OrganizationError("The invitation is not pending.", "organization_invitation_not_pending", 400)
    _finish(invitation, OrganizationInvitation.Status.REVOKED, actor)


def _finish(invitation: OrganizationInvitation, status: OrganizationInvitation.Status, actor: Actor) -> None:
    invitation.status, invitation.updated_ms = status, max(now_ms(), invitation.updated_ms + 1)
    invitation.save()
    _publish_invitation(status, invitation, actor)


def _publish(verb: str, organization: Organization, actor: Actor) -> None:
    data = (serializers.deleted_organization if verb == "deleted" else serializers.organization)(organization)
    _send(f"organization.{verb}", data, actor, organization, organization.pk)


def _publish_membership(verb: str, membership: Membership, actor: Actor) -> None:
    data = serializers.membership(membership)
    _send(f"organizationMembership.{verb}", data, actor, membership.organization, membership.user_id)


def _publish_invitation(verb: str, invitation: OrganizationInvitation, actor: Actor) -> None:
    data = serializers.organization_invitation(invitation)
    _send(f"organizationInvitation.{verb}", data, actor, invitation.organization, invitation.organization_id)


def _send(event_type: str, data: dict[str, object], actor: Actor, organization: Organization, subject_id: str) -> None:
    publish_data(event_type, data, actor, subject_id=subject_id, label=str(organization))


def _name(name: str) -> str:
    name = " ".join(name.replace("\x00", "").split())
    if not name or len(name) > 200:
        raise OrganizationError("Enter a name of at most 200 characters.", "form_param_nil")
    return name


def _slug(slug: str) -> str:
    if not SLUG.fullmatch(slug):
        raise OrganizationError("Enter a slug of lower-case letters, digits and hyphens.", "form_param_format_invalid")
    return slug


def _slug_of(name: str) -> str:
    """Return a slug for a name. Clerk also appends digits if it derives the slug from the name."""
    return "-".join([*re.findall(r"[a-z0-9]+", name.lower())[:8], new_id("")[2:8].lower()])


def _role(role: str) -> str:
    if not ROLE.fullmatch(role):
        raise OrganizationError("The role does not exist.", "form_param_value_invalid")
    return role


def _require_free(organization: Organization) -> None:
    if Organization.objects.filter(slug=organization.slug).exclude(pk=organization.pk).exists():
        raise OrganizationError("This slug is taken.", "form_identifier_exists")
