"""The waitlist and invitations. Every change publishes its events in the same transaction.

Clerk documents no events about invitations. The stand-in sends `invitation.*`, so that both cases can be tested: an
instance without these events behaves as if all of them were lost.
"""

from typing import Any

from django.db import transaction

from local.clerk import serializers
from local.clerk.events.publishing import publish_data
from local.clerk.models import Invitation, User, WaitlistEntry, now_ms
from local.clerk.serializers import Actor


class LeadError(Exception):
    """The change is not possible.

    Attributes:
        code: the error code of the Backend API.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@transaction.atomic
def join(address: str, actor: Actor) -> WaitlistEntry:
    """Add an address to the waitlist, unless it is already on the list."""
    entry, is_new = WaitlistEntry.objects.get_or_create(address=address.strip().casefold())
    if is_new:
        _publish_entry("waitlistEntry.created", entry, actor)
    return entry


@transaction.atomic
def invite(address: str, metadata: dict[str, Any], actor: Actor) -> Invitation:
    invitation = Invitation.objects.create(address=address.strip().casefold(), public_metadata=metadata)
    _publish_invitation("invitation.created", invitation, actor)
    return invitation


@transaction.atomic
def approve(entry_id: str, actor: Actor) -> WaitlistEntry:
    """Invite the person, or reuse their pending invitation."""
    entry = WaitlistEntry.objects.get(pk=entry_id)
    if entry.status not in (WaitlistEntry.Status.PENDING, WaitlistEntry.Status.REJECTED):
        raise LeadError(f"The waitlist entry is {entry.status}.", code="waitlist_entry_already_invited")
    pending = Invitation.objects.filter(address=entry.address, status=Invitation.Status.PENDING).first()
    entry.invitation = pending or invite(entry.address, {}, actor)
    return _update_entry(entry, WaitlistEntry.Status.INVITED, actor)


@transaction.atomic
def reject(entry_id: str, actor: Actor) -> WaitlistEntry:
    entry = WaitlistEntry.objects.get(pk=entry_id)
    if entry.status != WaitlistEntry.Status.PENDING:
        raise LeadError(f"The waitlist entry is {entry.status}.", code="waitlist_entry_not_pending")
    return _update_entry(entry, WaitlistEntry.Status.REJECTED, actor)


@transaction.atomic
def delete(entry_id: str) -> None:
    """Delete a pending entry. Clerk documents no event about it."""
    entry = WaitlistEntry.objects.get(pk=entry_id)
    if entry.status != WaitlistEntry.Status.PENDING:
        raise LeadError(f"The waitlist entry is {entry.status}.", code="waitlist_entry_not_pending")
    entry.delete()


@transaction.atomic
def revoke(invitation_id: str, actor: Actor) -> Invitation:
    invitation = Invitation.objects.get(pk=invitation_id)
    if invitation.status != Invitation.Status.PENDING:
        raise LeadError(f"The invitation is {invitation.status}.", code=f"invitation_already_{invitation.status}")
    return _update_invitation(invitation, Invitation.Status.REVOKED, actor)


def add_metadata(user: User) -> None:
    """Give a new user the metadata of pending invitations to the user's addresses."""
    for invitation in _pending(user):
        user.public_metadata = invitation.public_metadata | user.public_metadata


def accept(user: User, actor: Actor) -> None:
    """Accept the pending invitations of a new user, and complete the waitlist entries. Must run in a transaction."""
    for invitation in _pending(user):
        _update_invitation(invitation, Invitation.Status.ACCEPTED, actor)
    for entry in WaitlistEntry.objects.filter(address__in=_addresses(user)).select_related("invitation"):
        _update_entry(entry, WaitlistEntry.Status.COMPLETED, actor)


def _pending(user: User) -> list[Invitation]:
    return list(Invitation.objects.filter(address__in=_addresses(user), status=Invitation.Status.PENDING))


def _addresses(user: User) -> list[str]:
    return [email["address"].casefold() for email in user.emails]


def _update_entry(entry: WaitlistEntry, status: WaitlistEntry.Status, actor: Actor) -> WaitlistEntry:
    entry.status, entry.updated_ms = status, max(now_ms(), entry.updated_ms + 1)
    entry.save()
    _publish_entry("waitlistEntry.updated", entry, actor)
    return entry


def _update_invitation(invitation: Invitation, status: Invitation.Status, actor: Actor) -> Invitation:
    invitation.status, invitation.updated_ms = status, max(now_ms(), invitation.updated_ms + 1)
    invitation.save()
    _publish_invitation(f"invitation.{status}", invitation, actor)
    return invitation


def _publish_entry(event_type: str, entry: WaitlistEntry, actor: Actor) -> None:
    publish_data(event_type, serializers.waitlist_entry(entry), actor, subject_id=entry.pk, label=entry.address)


def _publish_invitation(event_type: str, invitation: Invitation, actor: Actor) -> None:
    publish_data(
        event_type, serializers.invitation(invitation), actor, subject_id=invitation.pk, label=invitation.address
    )
