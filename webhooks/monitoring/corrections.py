"""Find out why reconciliation had to correct users: their events were lost, or arrived here and failed."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from accounts.models import Reconciliation
from webhooks.models import WebhookEvent

Kind = Reconciliation.DifferenceKind
#: Differences that an event should have prevented. Other differences are changes made here.
CORRECTED = (Kind.MISSING, Kind.STALE, Kind.DELETED)
#: Maximum number of events that are read. Reports contain at most 200 users as examples.
MAX_EVENTS = 1000
#: Clerk may change a user shortly after the time of the event.
TOLERANCE = timedelta(seconds=1)


class Corrections(NamedTuple):
    """The users that several runs corrected.

    Attributes:
        lost: users whose events have not arrived. Users that are not among a report's examples are included.
        losing_runs: the runs that corrected such users, in the order of the given runs.
        failed: users whose events arrived and failed.
        events: the IDs of these events.
    """

    lost: int
    losing_runs: list[Reconciliation]
    failed: int
    events: list[int]


class _Arrivals(NamedTuple):
    """A user's events: the IDs of failed and dead events, and the times of settled events."""

    failed: list[int]
    settled: list[datetime]


def explain(runs: Sequence[Reconciliation]) -> Corrections:
    """Compare the users that runs corrected with the events that have arrived, in one query."""
    arrivals = _arrivals({clerk_id for run in runs for clerk_id, _since in _corrected(run)})
    failed: dict[str, list[int]] = {}
    lost: list[tuple[Reconciliation, int]] = []
    for run in runs:
        explained = 0
        for clerk_id, since in _corrected(run):
            found = arrivals.get(clerk_id)
            if found and found.failed:
                failed[clerk_id] = found.failed
            explained += bool(found and (found.failed or _has_arrived(found, since)))
        lost.append((run, max(run.repaired - explained, 0)))
    losing_runs = [run for run, number in lost if number]
    events = sorted(pk for ids in failed.values() for pk in ids)
    return Corrections(sum(number for _run, number in lost), losing_runs, len(failed), events)


def _corrected(run: Reconciliation) -> Iterator[tuple[str, datetime | None]]:
    """Yield the users among the report's examples, and since when each user differed."""
    for example in run.examples:
        if example["kind"] in CORRECTED:
            yield example["clerk_id"], parse_datetime(example.get("since") or "")


def _has_arrived(found: _Arrivals, since: datetime | None) -> bool:
    """Return whether the event about a change has arrived, for example while the run was reading the user."""
    return since is not None and any(at >= since - TOLERANCE for at in found.settled)


def _arrivals(clerk_ids: Iterable[str]) -> dict[str, _Arrivals]:
    events = WebhookEvent.objects.filter(clerk_user_id__in=clerk_ids, event_type__startswith="user.")
    events = events.filter(Q(state__in=WebhookEvent.UNSETTLED) | Q(occurred_at__isnull=False))
    found: dict[str, _Arrivals] = {}
    for event in events.order_by("-pk").only("clerk_user_id", "state", "occurred_at")[:MAX_EVENTS]:
        arrivals = found.setdefault(str(event.clerk_user_id), _Arrivals([], []))
        if event.state in WebhookEvent.UNSETTLED:
            arrivals.failed.append(event.pk)
        elif event.occurred_at:
            arrivals.settled.append(event.occurred_at)
    return found
