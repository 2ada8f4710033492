"""Find and repair differences between the organizations here and in Clerk, that missed webhooks cause.

A run reads Clerk's lists of organizations, memberships and invitations, and applies what differs in the same way as events.
Organizations and memberships that are missing from the lists are deleted only after Clerk has confirmed each of them.
Invitations that are missing are kept until their retention ends, because Clerk's list is not complete.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import batched

from django.db import transaction
from django.utils import timezone

from accounts.clerk import instance_guard, organization_api
from accounts.clerk.http import ClerkApiError
from accounts.clerk.organization_api import Page
from accounts.clerk.organization_payloads import (
    ClerkMembership,
    ClerkMembershipDeleted,
    ClerkOrganization,
    ClerkOrganizationDeleted,
    ClerkOrganizationInvitation,
    OrganizationPayload,
)
from accounts.models import Organization, OrganizationInvitation, OrganizationMembership, Reconciliation
from accounts.organizations.apply import apply_payloads, state_of
from accounts.organizations.privacy import is_expired
from audit.log import Actor
from audit.models import AuditLog
from core.db.locks import try_lock

log = logging.getLogger(__name__)

Kind, State, DifferenceKind = Reconciliation.Kind, Reconciliation.State, Reconciliation.DifferenceKind
ORIGIN = Actor(AuditLog.Source.RECONCILIATION)
#: Payloads per transaction. Their webhooks wait until it ends.
GROUP_SIZE = 100
#: More rows than this, and more than 5 %, are not deleted, because the lists may be incomplete.
MAX_DELETIONS = 10
#: An advisory lock that prevents concurrent runs. The number is arbitrary but must be unique.
LOCK = 0x6F726773
#: Names of objects in `Reconciliation.fields`, by the first part of their IDs. Unreadable entries may have no ID.
OBJECTS, UNKNOWN = {"org": "organizations", "orgmem": "memberships", "orginv": "invitations"}, "unknown"


def reconcile(*, dry_run: bool = False) -> Reconciliation | None:
    """Compare all organizations, memberships and invitations, and repair differences unless `dry_run`.

    Returns:
        The report, or None if another run is comparing organizations.

    Raises:
        ClerkApiError: a list could not be read completely. Completed repairs are kept, nothing is deleted, and the error
            is stored in the report.
    """
    with try_lock(LOCK) as is_held:
        if not is_held:
            return None
        run = Reconciliation.objects.create(kind=Kind.ORGANIZATIONS, dry_run=dry_run)
        try:
            instance_guard.verify_secret_key()
            _compare_all(run)
        except ClerkApiError as error:
            _finish(run, State.FAILED, str(error))
            raise
        _finish(run, State.FINISHED)
    return run


def _compare_all(run: Reconciliation) -> None:
    started_at = run.started_at
    organization_ids = _read(run, organization_api.list_organizations, _compare_organizations)
    membership_ids = _read(run, organization_api.list_memberships, _compare_memberships)
    _read(run, organization_api.list_invitations, _compare_invitations)
    organizations = Organization.objects.live().filter(created_at__lt=started_at)
    missing = set(organizations.values_list("clerk_id", flat=True)) - organization_ids
    if _are_few(run, sorted(missing), len(organization_ids)):
        _repair(run, _confirmed_organizations(missing), DifferenceKind.DELETED)
    memberships = OrganizationMembership.objects.live().filter(created_at__lt=started_at)
    unlisted = memberships.exclude(clerk_id__in=membership_ids).select_related("organization")
    if _are_few(run, [row.clerk_id for row in unlisted], len(membership_ids)):
        _repair(run, _confirmed_memberships(unlisted), DifferenceKind.DELETED)


def _read[Item: ClerkOrganization | ClerkMembership | ClerkOrganizationInvitation](
    run: Reconciliation,
    fetch: Callable[[int], Page[Item]],
    compare: Callable[[Reconciliation, Sequence[Item]], set[str]],
) -> set[str]:
    """Compare every page of a list, and return the IDs of all its entries."""
    ids, offset = set[str](), 0
    while True:
        page = fetch(offset)
        for clerk_id, reason in page.unreadable:
            if clerk_id not in ids:
                run.unreadable += 1
                _count(run, clerk_id)
            ids.add(clerk_id)
            run.add_example({"clerk_id": clerk_id, "kind": DifferenceKind.UNREADABLE, "fields": [], "reason": reason})
        before = len(ids)
        ids |= compare(run, page.items)
        run.compared += len(ids) - before
        run.save()
        if page.is_last:
            return ids
        offset += organization_api.PAGE_SIZE - organization_api.PAGE_OVERLAP


def _compare_organizations(run: Reconciliation, listed: Sequence[ClerkOrganization]) -> set[str]:
    ids = {payload.organization_id for payload in listed}
    known = {row.clerk_id: row for row in Organization.objects.filter(clerk_id__in=ids)}
    missing = [payload for payload in listed if _is_missing(known.get(payload.organization_id))]
    _repair(run, missing, DifferenceKind.MISSING)
    present = [(payload, known[payload.organization_id]) for payload in listed if payload not in missing]
    _repair(run, [p for p, row in present if not row.deleted_at and _differs(p, row)], DifferenceKind.STALE)
    return ids


def _compare_memberships(run: Reconciliation, listed: Sequence[ClerkMembership]) -> set[str]:
    ids = {payload.membership_id for payload in listed}
    known = {row.clerk_id: row for row in OrganizationMembership.objects.filter(clerk_id__in=ids)}
    missing = [payload for payload in listed if _is_missing(known.get(payload.membership_id))]
    _repair(run, missing, DifferenceKind.MISSING)
    present = [(payload, known[payload.membership_id]) for payload in listed if payload not in missing]
    _repair(run, [p for p, row in present if not row.deleted_at and p.role != row.role], DifferenceKind.STALE)
    return ids


def _compare_invitations(run: Reconciliation, listed: Sequence[ClerkOrganizationInvitation]) -> set[str]:
    ids = {payload.invitation_id for payload in listed}
    known = {row.clerk_id: row for row in OrganizationInvitation.objects.filter(clerk_id__in=ids)}
    kept = [payload for payload in listed if not is_expired(payload)]
    _repair(run, [payload for payload in kept if payload.invitation_id not in known], DifferenceKind.MISSING)
    present = [(payload, known[payload.invitation_id]) for payload in kept if payload.invitation_id in known]
    _repair(run, [payload for payload, row in present if _invitation_differs(payload, row)], DifferenceKind.STALE)
    return ids


def _invitation_differs(payload: ClerkOrganizationInvitation, row: OrganizationInvitation) -> bool:
    """Return whether applying the payload would change the row. Finished and erased invitations stay as they are."""
    state = state_of(payload)
    pending = OrganizationInvitation.State.PENDING
    if row.erased_at or (row.state != pending and state == pending):
        return False
    expires_at, user_id = payload.expires_at or row.expires_at, row.user_clerk_id or payload.clerk_id or ""
    known = (row.email, row.role, row.state, row.expires_at, row.user_clerk_id)
    return (payload.email, payload.role, state, expires_at, user_id) != known


def _is_missing(row: Organization | OrganizationMembership | None) -> bool:
    return row is None or not (row.clerk_version or row.deleted_at)


def _differs(payload: ClerkOrganization, row: Organization) -> bool:
    return (payload.name, payload.slug, payload.image_url) != (row.name, row.slug, row.image_url)


def _are_few(run: Reconciliation, missing: Sequence[str], listed: int) -> bool:
    """Return whether missing rows may be deleted. If there are suspiciously many, report that they are kept."""
    count = len(missing)
    if count <= max(MAX_DELETIONS, listed // 20):
        return True
    run.unrepaired += count
    for clerk_id in missing:
        _count(run, clerk_id)
    reason = f"Rows missing from Clerk's list: {count}. None was deleted, because this is an unusually large number."
    run.add_example({"clerk_id": "", "kind": "unrepaired", "fields": [], "reason": reason})
    log.error("Reconciliation of organizations: %s Check CLERK_SECRET_KEY.", reason)
    return False


def _confirmed_organizations(missing: Iterable[str]) -> list[ClerkOrganizationDeleted]:
    """Return deletions of the organizations that Clerk confirms no longer exist."""
    answers = [organization_api.get_organization(clerk_id) for clerk_id in sorted(missing)]
    return [answer for answer in answers if isinstance(answer, ClerkOrganizationDeleted)]


def _confirmed_memberships(rows: Iterable[OrganizationMembership]) -> list[ClerkMembershipDeleted]:
    """Return deletions of the memberships that are missing from the current list of their user's memberships."""
    rows = list(rows)
    users = sorted({_user_id(row) for row in rows})
    current = {clerk_id: organization_api.list_membership_ids_of(clerk_id) for clerk_id in users}
    now = timezone.now()
    return [
        ClerkMembershipDeleted(_user_id(row), row.clerk_id, row.organization.clerk_id, now)
        for row in rows
        if row.clerk_id not in current[_user_id(row)]
    ]


def _user_id(row: OrganizationMembership) -> str:
    return str(row.user_id)


def _repair(run: Reconciliation, payloads: Sequence[OrganizationPayload], kind: Reconciliation.DifferenceKind) -> None:
    """Record the differences, and apply the payloads from Clerk unless this is a dry run."""
    for payload in payloads:
        setattr(run, kind, getattr(run, kind) + 1)
        _count(run, _object_id(payload))
        run.add_example({"clerk_id": _object_id(payload), "kind": kind, "fields": [], "since": None})
    for group in batched(payloads if not run.dry_run else (), GROUP_SIZE):
        with transaction.atomic():
            apply_payloads([(payload, ORIGIN) for payload in group])
        run.repaired += len(group)


def _object_id(payload: OrganizationPayload) -> str:
    if isinstance(payload, ClerkMembership | ClerkMembershipDeleted):
        return payload.membership_id
    if isinstance(payload, ClerkOrganizationInvitation):
        return payload.invitation_id
    return str(payload.organization_id)


def _count(run: Reconciliation, clerk_id: str) -> None:
    """Count a difference by the kind of object, which is the first part of its ID."""
    name = OBJECTS.get(clerk_id.partition("_")[0], UNKNOWN)
    run.fields[name] = run.fields.get(name, 0) + 1


def _finish(run: Reconciliation, state: Reconciliation.State, error: str = "") -> None:
    run.state, run.error, run.finished_at = state, error[:2000], timezone.now()
    run.save()
