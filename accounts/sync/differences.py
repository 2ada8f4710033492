"""Find differences between local users and Clerk, using three queries for each page of Clerk's list."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import MetadataPush, Reconciliation, User
from accounts.sync import derived_state, outbox
from accounts.sync.fields import changed_fields

DifferenceKind = Reconciliation.DifferenceKind


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between a local user and Clerk.

    Attributes:
        payload: the payload to apply here, or None if the local data is up to date.
        fields: local names of the differing fields, or Clerk's metadata keys for values that have not been pushed.
        since: the latest time at which the difference can have started, if known.
    """

    clerk_id: str
    kind: Reconciliation.DifferenceKind
    payload: ClerkUser | ClerkUserDeleted | None = None
    fields: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """The range of sign-up times on one page of Clerk's list.

    Attributes:
        since: the inclusive start, or None to start with the first user.
        before: the exclusive end, or None to end with the last user. It is exclusive because the next page may start in
            the same millisecond.
    """

    since: datetime | None
    before: datetime | None

    @property
    def condition(self) -> Q:
        condition = Q(deleted_at=None, clerk_created_at__isnull=False, clerk_id__isnull=False)
        if self.since:
            condition &= Q(clerk_created_at__gte=self.since)
        return condition & Q(clerk_created_at__lt=self.before) if self.before else condition


def compare(
    payloads: list[ClerkUser], *, span: Span | None = None, known_ids: frozenset[str] = frozenset()
) -> tuple[list[Difference], list[str]]:
    """Compare payloads from Clerk with the local users.

    Args:
        payloads: the users in Clerk.
        span: the range for which `payloads` contains all users, if any. Local users in this range who are missing from
            `payloads` are reported as unlisted.
        known_ids: users who exist in Clerk but have no usable payload.

    Returns:
        The differences, and the Clerk IDs of unlisted users.
    """
    wanted = Q(clerk_id__in=[payload.clerk_id for payload in payloads])
    users = User.objects.filter(wanted | span.condition if span else wanted).select_related("metadata_push")
    here = {str(user.clerk_id): user for user in derived_state.with_check(users)}
    listed = {payload.clerk_id for payload in payloads} | known_ids
    metadata = outbox.local_metadata(user for user in here.values() if user.clerk_id in listed)
    found = [difference for p in payloads for difference in _differences(p, here.get(p.clerk_id), metadata)]
    return found, [clerk_id for clerk_id, user in here.items() if clerk_id not in listed and user.deleted_at is None]


def _differences(payload: ClerkUser, user: User | None, metadata: dict[int, dict[str, object]]) -> Iterator[Difference]:
    """Yield at most one difference to apply here and at most one to push to Clerk."""
    if user is None:
        yield Difference(payload.clerk_id, DifferenceKind.MISSING, payload, since=payload.created_at)
        return
    if user.deleted_at:
        return
    fields = changed_fields(payload, user)
    derived = ["profiles"] if derived_state.is_outdated(user) else []
    if fields or derived:  # Applying the payload also repairs the derived state.
        since = payload.updated_at if fields else None
        yield Difference(payload.clerk_id, DifferenceKind.STALE, payload, (*fields, *derived), since)
    push: MetadataPush | None = getattr(user, "metadata_push", None)
    is_waiting = push is not None and push.state == MetadataPush.State.PENDING
    unpushed = [
        *outbox.compare_metadata(user, metadata.get(user.pk, {})),
        *(["roles"] if user.has_pending_roles else []),
    ]
    if unpushed or is_waiting:
        since = push.requested_at if push and is_waiting else payload.updated_at
        yield Difference(payload.clerk_id, DifferenceKind.UNPUSHED, fields=tuple(unpushed), since=since)
