"""Remove a member from an organization in Clerk, at an admin's request.

The membership stays in effect until Clerk has confirmed the removal, because deletions are final here. The request is queued
in the transaction of the admin's change, and the job repeats it while Clerk is unreachable.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app as queue
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.clerk import organization_api
from accounts.clerk.http import ClerkRejectedError
from accounts.clerk.organization_payloads import ClerkMembershipDeleted
from accounts.models import OrganizationMembership, User
from accounts.organizations.apply import apply_payload
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AuditLog
from core.jobs import Person, describe


@transaction.atomic
def request_removal(membership: OrganizationMembership, *, reason: str, actor: Actor) -> bool:
    """Queue the removal, and return False if the member is already removed or a removal is already waiting."""
    rows = OrganizationMembership.objects.select_related("organization")
    locked = rows.select_for_update(of=("self",), no_key=True).get(pk=membership.pk)
    if locked.deleted_at or is_waiting(locked):
        return False
    locked.removal_requested_at, locked.removal_error = timezone.now(), ""
    locked.save(update_fields=["removal_requested_at", "removal_error"])
    log.record(
        AuditLog.Action.MEMBERSHIP_REMOVAL_REQUESTED,
        actor=actor,
        target=locked.organization,
        subject=User.objects.filter(clerk_id=locked.user_id).first(),
        membership=locked.clerk_id,
        role=locked.role,
        note=reason,
    )
    remove_member.defer(membership_id=locked.pk)
    return True


def is_waiting(membership: OrganizationMembership) -> bool:
    """Return whether a removal is requested and its job has attempts left."""
    if membership.removal_requested_at is None:
        return False
    jobs = ProcrastinateJob.objects.filter(task_name=remove_member.name, args__membership_id=membership.pk)
    return bool(jobs.filter(status__in=("todo", "doing")).exists())


def remove(membership_id: int) -> None:
    """Remove the member in Clerk and here, unless that has happened already. A rejection by Clerk is stored.

    Raises:
        ClerkApiError: Clerk returned no usable response, or this is not the live site.
    """
    rows = OrganizationMembership.objects.select_related("organization")
    membership = rows.filter(pk=membership_id, deleted_at=None, removal_requested_at__isnull=False).first()
    if membership is None:
        return
    organization, user = membership.organization.clerk_id, str(membership.user_id)
    # The member may have left and joined again. The new membership must not be removed.
    current = organization_api.list_membership_ids_of(user)
    try:
        if membership.clerk_id in current:
            organization_api.delete_membership(organization, user)
    except ClerkRejectedError as error:
        waiting = OrganizationMembership.objects.filter(pk=membership_id)
        waiting.update(removal_requested_at=None, removal_error=str(error)[:500])
        return
    deletion = ClerkMembershipDeleted(user, membership.clerk_id, organization, timezone.now())
    with transaction.atomic():
        # If Clerk's event arrives later, it is stale.
        apply_payload(deletion, actor=SYSTEM)


@queue.task(retry=RetryStrategy(max_attempts=10, exponential_wait=4))
@describe(
    _("Remove a member from an organization"),
    _("Removes a member in Clerk after an admin requested it. If the job fails, the member stays in the organization."),
    person=Person("membership_id", "accounts.OrganizationMembership", "pk", "user__clerk_id"),
)
def remove_member(membership_id: int) -> None:
    remove(membership_id)
