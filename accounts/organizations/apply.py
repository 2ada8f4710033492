"""Apply organizations, memberships and invitations from Clerk, in any order and any number of times.

Webhooks, retries, replays and reconciliation all call `apply_payloads`. The payload with the highest version wins, and a
deletion is final. A membership can arrive before its organization and its user. Its payload contains the organization, and
an unknown user is created provisionally. A membership has no effect while its organization or user is deleted, so these
deletions can arrive at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from accounts.clerk.organization_payloads import (
    ClerkMembership,
    ClerkMembershipDeleted,
    ClerkOrganization,
    ClerkOrganizationDeleted,
    ClerkOrganizationInvitation,
    OrganizationPayload,
)
from accounts.models import Organization, OrganizationInvitation, OrganizationMembership, User
from accounts.organizations.roles import update_roles
from accounts.organizations.rows import find_users, lock_or_insert, lock_unchanged
from accounts.sync.apply import Outcome
from accounts.sync.changes import Changes
from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core.db.joined_writes import joined, update_all

Action = AuditLog.Action
State = OrganizationInvitation.State
type Sent = tuple[OrganizationPayload, Actor]

VERSION_FIELDS = ("clerk_created_at", "clerk_updated_at", "clerk_version", "deleted_at")
ORGANIZATION_FIELDS = ("name", "slug", "image_url", *VERSION_FIELDS)
MEMBERSHIP_FIELDS = ("role", "role_name", *VERSION_FIELDS)
INVITATION_FIELDS = ("email", "user_clerk_id", "role", "state", "expires_at", "clerk_updated_at", "clerk_version")


@dataclass(slots=True)
class _Batch:
    """The rows that a group of payloads concerns, by Clerk ID, and the rows that must be written."""

    organizations: dict[str, Organization] = field(default_factory=dict)
    memberships: dict[str, OrganizationMembership] = field(default_factory=dict)
    invitations: dict[str, OrganizationInvitation] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    changed: dict[int, Organization | OrganizationMembership | OrganizationInvitation] = field(default_factory=dict)
    #: The origin of each change, by the row's Clerk ID.
    origins: dict[str, Actor] = field(default_factory=dict)

    def mark(self, row: Organization | OrganizationMembership | OrganizationInvitation, actor: Actor) -> None:
        self.changed[id(row)], self.origins[row.clerk_id] = row, actor

    def write(self) -> None:
        for model, fields in (
            (Organization, ORGANIZATION_FIELDS),
            (OrganizationMembership, MEMBERSHIP_FIELDS),
            (OrganizationInvitation, INVITATION_FIELDS),
        ):
            update_all([row for row in self.changed.values() if isinstance(row, model)], fields)


def apply_payload(payload: OrganizationPayload, *, actor: Actor) -> Outcome:
    """Apply one payload. See `apply_payloads`."""
    [outcome] = apply_payloads([(payload, actor)])
    return outcome


def apply_payloads(payloads: Sequence[Sent], *, skip_locked: bool = False) -> list[Outcome]:
    """Apply payloads in their order. Must run in a transaction; the changed rows stay locked until it ends.

    Args:
        payloads: each with its origin, for the audit log. A deletion must have an ID.
        skip_locked: leave out payloads whose rows are locked by other transactions. The caller applies each of them
            alone.
    """
    if not payloads:
        return []
    with joined():
        batch = _load([payload for payload, _ in payloads], skip_locked=skip_locked)
        outcomes = [_apply(batch, payload, actor) for payload, actor in payloads]
        batch.write()
        if settings.CLERK_ORGANIZATION_ROLES:
            # Transactions that have locked these users may be waiting for the rows of this batch.
            update_roles(_affected_users(batch), skip_locked=True)
    return outcomes


def _affected_users(batch: _Batch) -> dict[str, Actor]:
    """Return the Clerk IDs of changed members and of all members of deleted organizations, with the change's origin."""
    changed = batch.changed.values()
    deleted = [row.pk for row in changed if isinstance(row, Organization) and row.deleted_at]
    members = OrganizationMembership.objects.filter(organization__in=deleted, deleted_at=None)
    found = members.values_list("user__clerk_id", "organization__clerk_id") if deleted else ()
    origins = {str(user_id): batch.origins[organization_id] for user_id, organization_id in found}
    memberships = [row for row in changed if isinstance(row, OrganizationMembership)]
    return origins | {str(row.user_id): batch.origins[row.clerk_id] for row in memberships}


def _load(payloads: Sequence[OrganizationPayload], *, skip_locked: bool) -> _Batch:
    """Insert missing users, then lock or insert organizations, memberships and invitations.

    The order is the same everywhere, so that concurrent transactions cannot deadlock.
    """
    batch = _Batch()
    members = [payload for payload in payloads if isinstance(payload, ClerkMembership | ClerkMembershipDeleted)]
    joining = {payload.clerk_id for payload in members if isinstance(payload, ClerkMembership)}
    batch.users = find_users({payload.clerk_id for payload in members}, members=joining)
    batch.organizations = _organizations(payloads, skip_locked=skip_locked)
    wanted = {p.membership_id: _new_membership(batch, p) for p in members if p.organization_id in batch.organizations}
    # A deleted user may be erased already, so nothing about the user is stored any more.
    stored = {key: row for key, row in wanted.items() if not _is_deleted(batch.users.get(row.user_id))}
    batch.memberships = lock_or_insert(OrganizationMembership, stored, skip_locked=skip_locked)
    invited = [payload for payload in payloads if isinstance(payload, ClerkOrganizationInvitation)]
    invitations = {
        payload.invitation_id: OrganizationInvitation(
            clerk_id=payload.invitation_id, organization=batch.organizations[payload.organization_id]
        )
        for payload in invited
        if payload.organization_id in batch.organizations
    }
    batch.invitations = lock_or_insert(OrganizationInvitation, invitations, skip_locked=skip_locked)
    return batch


def _organizations(payloads: Sequence[OrganizationPayload], *, skip_locked: bool) -> dict[str, Organization]:
    """Return the organizations of all payloads. Only those that a payload changes are locked exclusively.

    Otherwise, the events of a large organization's members would wait for each other.
    """
    ids = {str(payload.organization_id) for payload in payloads}
    known = {row.clerk_id: row for row in Organization.objects.filter(clerk_id__in=ids)}
    changed = {str(p.organization_id) for p in payloads if _changes_organization(p, known.get(str(p.organization_id)))}
    unchanged = {key: row for key, row in known.items() if key not in changed}
    if settings.CLERK_ORGANIZATION_ROLES:
        joined_ids = {p.organization_id for p in payloads if isinstance(p, ClerkMembership)} & set(unchanged)
        others = {key: row for key, row in unchanged.items() if key not in joined_ids}
        unchanged = others | lock_unchanged(joined_ids, skip_locked=skip_locked)
    new = {clerk_id: Organization(clerk_id=clerk_id) for clerk_id in changed}
    return unchanged | lock_or_insert(Organization, new, skip_locked=skip_locked)


def _changes_organization(payload: OrganizationPayload, known: Organization | None) -> bool:
    if known is None or isinstance(payload, ClerkOrganization | ClerkOrganizationDeleted):
        return True
    return isinstance(payload, ClerkMembership) and _is_newer(payload.organization, known)


def _is_newer(payload: ClerkOrganization, known: Organization) -> bool:
    return known.deleted_at is None and payload.version > known.clerk_version


def _new_membership(batch: _Batch, payload: ClerkMembership | ClerkMembershipDeleted) -> OrganizationMembership:
    organization = batch.organizations[payload.organization_id]
    return OrganizationMembership(clerk_id=payload.membership_id, organization=organization, user_id=payload.clerk_id)


def _is_deleted(user: User | None) -> bool:
    return user is not None and user.deleted_at is not None


def _apply(batch: _Batch, payload: OrganizationPayload, actor: Actor) -> Outcome:
    organization = batch.organizations.get(str(payload.organization_id))
    if organization is None:
        return Outcome.LEFT_OUT
    match payload:
        case ClerkOrganization():
            return _update_organization(batch, organization, payload, actor)
        case ClerkOrganizationDeleted():
            return _delete_organization(batch, organization, payload, actor)
        case ClerkOrganizationInvitation():
            return _update_invitation(batch, payload, actor)
        case _:
            return _apply_membership(batch, organization, payload, actor)


def _update_organization(batch: _Batch, row: Organization, payload: ClerkOrganization, actor: Actor) -> Outcome:
    if row.deleted_at or payload.version < row.clerk_version:
        return Outcome.STALE
    if payload.version == row.clerk_version:
        return Outcome.APPLIED
    action = Action.ORGANIZATION_UPDATED if row.clerk_version else Action.ORGANIZATION_CREATED
    changes = _copy(row, {"name": payload.name, "slug": payload.slug, "image_url": payload.image_url})
    _raise_version(batch, row, payload, actor)
    if changes:
        log.record(action, actor=actor, target=row, changes=changes)
    return Outcome.APPLIED


def _delete_organization(batch: _Batch, row: Organization, payload: ClerkOrganizationDeleted, actor: Actor) -> Outcome:
    if row.deleted_at:
        return Outcome.STALE
    row.deleted_at = payload.deleted_at
    batch.mark(row, actor)
    log.record(Action.ORGANIZATION_DELETED, actor=actor, target=row, changes={"deleted_at": (None, row.deleted_at)})
    return Outcome.APPLIED


def _apply_membership(
    batch: _Batch, organization: Organization, payload: ClerkMembership | ClerkMembershipDeleted, actor: Actor
) -> Outcome:
    if isinstance(payload, ClerkMembership) and _is_newer(payload.organization, organization):
        _update_organization(batch, organization, payload.organization, actor)
    if _is_deleted(batch.users.get(payload.clerk_id)):
        return Outcome.STALE
    row = batch.memberships.get(payload.membership_id)
    if row is None:
        return Outcome.LEFT_OUT
    if row.deleted_at or (isinstance(payload, ClerkMembership) and payload.version < row.clerk_version):
        return Outcome.STALE
    if isinstance(payload, ClerkMembershipDeleted):
        row.deleted_at = payload.deleted_at
        batch.mark(row, actor)
        _record(batch, Action.MEMBERSHIP_REMOVED, organization, row, actor, role=row.role)
    elif payload.version > row.clerk_version:
        _update_membership(batch, organization, row, payload, actor)
    return Outcome.APPLIED


def _update_membership(
    batch: _Batch, organization: Organization, row: OrganizationMembership, payload: ClerkMembership, actor: Actor
) -> None:
    is_new, role_before = not row.clerk_version, row.role
    _copy(row, {"role": payload.role, "role_name": payload.role_name})
    _raise_version(batch, row, payload, actor)
    if is_new:
        _record(batch, Action.MEMBERSHIP_ADDED, organization, row, actor, role=row.role)
    elif row.role != role_before:
        _record(batch, Action.MEMBERSHIP_CHANGED, organization, row, actor, changes={"role": (role_before, row.role)})


def _update_invitation(batch: _Batch, payload: ClerkOrganizationInvitation, actor: Actor) -> Outcome:
    """Store the newest state of an invitation. A finished invitation never becomes pending again.

    Clerk's list of invitations contains neither the user nor the expiry, so an older event can complete the row.
    """
    row = batch.invitations.get(payload.invitation_id)
    if row is None:
        return Outcome.LEFT_OUT
    if row.erased_at:
        return Outcome.STALE
    new = (payload.status != State.PENDING, payload.version)
    is_stale = new < (row.state != State.PENDING, row.clerk_version)
    before = row.user_clerk_id, row.expires_at
    row.user_clerk_id = row.user_clerk_id or payload.clerk_id or ""
    row.expires_at = (row.expires_at or payload.expires_at) if is_stale else (payload.expires_at or row.expires_at)
    if is_stale:
        if (row.user_clerk_id, row.expires_at) == before:
            return Outcome.STALE
        batch.mark(row, actor)
        return Outcome.APPLIED
    row.email, row.role, row.state = payload.email, payload.role, state_of(payload)
    row.clerk_updated_at, row.clerk_version = payload.updated_at, payload.version
    batch.mark(row, actor)
    return Outcome.APPLIED


def state_of(payload: ClerkOrganizationInvitation) -> OrganizationInvitation.State:
    """Return the state of an invitation. Statuses that Clerk adds in future count as pending."""
    return State(payload.status) if payload.status in State.values else State.PENDING


def _copy(row: Organization | OrganizationMembership, values: dict[str, Any]) -> Changes:
    """Set the values and return what changed."""
    changes = {name: (getattr(row, name), value) for name, value in values.items() if getattr(row, name) != value}
    for name, value in values.items():
        setattr(row, name, value)
    return changes


def _raise_version(
    batch: _Batch,
    row: Organization | OrganizationMembership,
    payload: ClerkOrganization | ClerkMembership,
    actor: Actor,
) -> None:
    row.clerk_version, row.clerk_updated_at = payload.version, payload.updated_at
    row.clerk_created_at = payload.created_at or row.clerk_created_at
    batch.mark(row, actor)


def _record(
    batch: _Batch,
    action: AuditLog.Action,
    organization: Organization,
    row: OrganizationMembership,
    actor: Actor,
    **facts: Any,
) -> None:
    user, changes = batch.users.get(row.user_id), facts.pop("changes", None)
    log.record(
        action, actor=actor, target=organization, subject=user, changes=changes, membership=row.clerk_id, **facts
    )
