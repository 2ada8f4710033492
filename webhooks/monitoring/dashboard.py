"""The figures of the dashboard: what came in four stretches of time, and how long it took."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy as _

from core.times import start_of_hour
from webhooks.models import EventTiming, RejectionCount, WebhookEvent
from webhooks.monitoring import charts, dashboard_query, hourly_counts
from webhooks.monitoring.dashboard_query import Overview

State = WebhookEvent.State
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: The stretches that are counted. All but the first begin with a whole hour, as the rows of counts do.
STRETCHES = {"1 h": HOUR, "24 h": DAY, "7 d": 7 * DAY, "30 d": 30 * DAY}
SHARES = (0.5, 0.95, 0.99)
#: What events are counted as; each name is that of an icon, too.
LABELS = {
    "received": _("Received"),
    State.PROCESSED: _("Processed"),
    State.IGNORED: _("Ignored"),
    State.STALE: _("Stale"),
    State.FAILED: _("Failed"),
    State.DEAD: _("Dead"),
    "duplicate": _("Duplicate"),
    "rejected": _("Rejected"),
}
#: What the columns of a stretch stand for.
SPANS = {"24h": ("hour", 24, HOUR), "30d": ("day", 30, DAY)}


@dataclass(frozen=True, slots=True)
class Count:
    """One figure of the table."""

    number: int
    state: str
    stretch: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """What was counted as one thing, in each stretch."""

    name: str
    label: Any
    counts: list[Count]

    @property
    def is_trouble(self) -> bool:
        """Whether it is of those that should not be, and is."""
        return self.name in WebhookEvent.UNSETTLED and any(count.number for count in self.counts)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took, in seconds, for each of SHARES; None if nothing was timed."""

    label: Any
    seconds: list[float | None]


def starts(now: datetime) -> dict[str, datetime]:
    """Return when each stretch began."""
    return {
        name: now - length if length == HOUR else start_of_hour(now - length) + HOUR
        for name, length in STRETCHES.items()
    }


def take(now: datetime, span: str) -> Overview:
    """Count all that the other functions show; three statements."""
    return dashboard_query.take(
        list(starts(now).values()), columns=_places(now, span)[0], unit=SPANS[span][0], timed=now - DAY
    )


def table(now: datetime, found: Overview) -> list[Row]:
    """Return the counts of each stretch; one statement, for refused requests."""
    since = starts(now)
    numbers: dict[str, list[int]] = {name: [0] * len(since) for name in LABELS}
    for state, pairs in found.stretches.items():
        for place, (events, deliveries) in enumerate(pairs):
            numbers["received"][place] += deliveries
            numbers["duplicate"][place] += deliveries - events
            numbers[state][place] += events
    numbers["rejected"] = _rejected(since.values())
    return [
        Row(name, label, [Count(numbers[name][place], name, key, at) for place, (key, at) in enumerate(since.items())])
        for name, label in LABELS.items()
    ]


def chart(now: datetime, span: str, found: Overview) -> charts.Chart:
    """Return the events by type, in hours or days."""
    return charts.stacked(_places(now, span), found.columns)


def timings(found: Overview) -> list[Timing]:
    """Return how long events of the last day took."""
    labels = {EventTiming.What.APPLY: _("Received to applied"), EventTiming.What.LAG: _("At Clerk to applied")}
    return [
        Timing(label, [hourly_counts.percentile(found.timings[what], share) for share in SHARES])
        for what, label in labels.items()
    ]


def _places(now: datetime, span: str) -> list[datetime]:
    """Return when each column begins."""
    unit, number, step = SPANS[span]
    last = start_of_hour(now).replace(hour=0) if unit == "day" else start_of_hour(now)
    return [last - step * place for place in reversed(range(number))]


def _rejected(since: Iterable[datetime]) -> list[int]:
    """Return the refused requests since the hours of those moments; they are counted by the hour only."""
    hours = [start_of_hour(moment) for moment in since]
    sums = {f"since_{place}": Sum("requests", filter=Q(hour__gte=hour)) for place, hour in enumerate(hours)}
    found = RejectionCount.objects.filter(hour__gte=min(hours)).aggregate(**sums)
    return [found[name] or 0 for name in sums]
