"""What differs between people here and at Clerk, found for a whole page of Clerk's list with three statements."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from accounts.clerk.payloads import ClerkUser, ClerkUserDeleted
from accounts.models import MetadataPush, Reconciliation, User
from accounts.sync import outbox
from accounts.sync.apply import changed_fields

DifferenceKind = Reconciliation.DifferenceKind


@dataclass(frozen=True, slots=True)
class Difference:
    """Somebody who is not the same here and at Clerk.

    Attributes:
        payload: what Clerk says; None where nothing of it is to be applied.
        fields: what differs, by our names; of facts that did not reach Clerk, by Clerk's.
        since: since when at least, as far as anybody knows.
    """

    clerk_id: str
    kind: Reconciliation.DifferenceKind
    payload: ClerkUser | ClerkUserDeleted | None = None
    fields: tuple[str, ...] = ()
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the time in which people signed up at Clerk: a page of its list covers one.

    Attributes:
        since: included; None is from the first on.
        before: not included, because the next page may go on in that millisecond; None is to the last.
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
    """Compare people with Clerk.

    Args:
        payloads: what Clerk says of them.
        span: if they are everybody who signed up in it, those here who did and are not among them are found, too.
        known_ids: people who are at Clerk although no payload tells of them.

    Returns:
        The differences, and the Clerk ids of people who were not listed.
    """
    wanted = Q(clerk_id__in=[payload.clerk_id for payload in payloads])
    users = User.objects.filter(wanted | span.condition if span else wanted).select_related("metadata_push")
    here = {str(user.clerk_id): user for user in users}
    listed = {payload.clerk_id for payload in payloads} | known_ids
    facts = outbox.local_facts(user.pk for user in here.values() if user.clerk_id in listed)
    found = [difference for p in payloads for difference in _differences(p, here.get(p.clerk_id), facts)]
    return found, [clerk_id for clerk_id, user in here.items() if clerk_id not in listed and user.deleted_at is None]


def _differences(payload: ClerkUser, user: User | None, facts: dict[int, dict[str, object]]) -> Iterator[Difference]:
    """Yield what differs about one person: at most one thing to apply here, and at most one to bring to Clerk."""
    if user is None:
        yield Difference(payload.clerk_id, DifferenceKind.MISSING, payload, since=payload.created_at)
        return
    if user.deleted_at:
        return
    if fields := changed_fields(payload, user):
        yield Difference(payload.clerk_id, DifferenceKind.STALE, payload, tuple(fields), payload.updated_at)
    push: MetadataPush | None = getattr(user, "metadata_push", None)
    is_waiting = push is not None and push.state == MetadataPush.State.PENDING
    unpushed = [*outbox.compare_facts(user, facts.get(user.pk, {})), *(["roles"] if user.has_pending_roles else [])]
    if unpushed or is_waiting:
        since = push.requested_at if push and is_waiting else payload.updated_at
        yield Difference(payload.clerk_id, DifferenceKind.UNPUSHED, fields=tuple(unpushed), since=since)
