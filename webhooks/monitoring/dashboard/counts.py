"""The numbers on the dashboard: event counts over four periods, a chart by event type, and processing times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from core.times import start_of_hour
from webhooks.models import EventTiming, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.dashboard import charts
from webhooks.monitoring.dashboard import query as dashboard_query
from webhooks.monitoring.dashboard.query import DashboardCounts

State = WebhookEvent.State
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: All periods except the first start at a whole hour, because older events are counted by the hour.
PERIODS = {
    gettext_noop("1 h"): HOUR,
    gettext_noop("24 h"): DAY,
    gettext_noop("7 d"): 7 * DAY,
    gettext_noop("30 d"): 30 * DAY,
}
PERCENTILES = (0.5, 0.95, 0.99)
#: Table rows. Each key is also the name of an icon.
ROW_LABELS = {
    "received": _("Received"),
    State.PROCESSED: _("Processed"),
    State.IGNORED: _("Ignored"),
    State.STALE: _("Stale"),
    State.FAILED: _("Failed"),
    State.DEAD: _("Dead"),
    "duplicate": _("Duplicate"),
    "rejected": _("Rejected"),
}
#: Time ranges of the chart: unit, number of columns and width of a column.
CHART_SPANS = {"24h": ("hour", 24, HOUR), "30d": ("day", 30, DAY)}


@dataclass(frozen=True, slots=True)
class Cell:
    """One count in the table."""

    number: int
    state: str
    period: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    label: str | Promise
    cells: list[Cell]

    @property
    def is_problem(self) -> bool:
        """Whether the row counts failed or dead events and is not zero."""
        return self.name in WebhookEvent.UNSETTLED and any(cell.number for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds at each of PERCENTILES, or None without data."""

    label: str | Promise
    seconds: list[float | None]


def period_starts(now: datetime) -> dict[str, datetime]:
    return {
        name: now - length if length == HOUR else start_of_hour(now - length) + HOUR for name, length in PERIODS.items()
    }


def fetch_counts(now: datetime, span: str) -> DashboardCounts:
    """Fetch the data for the functions below, using four statements."""
    return dashboard_query.fetch_counts(
        list(period_starts(now).values()),
        columns_since=column_starts(now, span)[0],
        unit=CHART_SPANS[span][0],
        timed_since=now - DAY,
    )


def build_table(now: datetime, counts: DashboardCounts) -> list[Row]:
    """Return the table rows. Rejected requests are counted from the hour of each start."""
    starts = period_starts(now)
    numbers: dict[str, list[int]] = {name: [0] * len(starts) for name in ROW_LABELS}
    for state, pairs in counts.periods.items():
        for index, (events, deliveries) in enumerate(pairs):
            numbers["received"][index] += deliveries
            numbers["duplicate"][index] += deliveries - events
            numbers[state][index] += events
    numbers["rejected"] = [sum_since(counts.rejected, start_of_hour(start)) for start in starts.values()]
    return [
        Row(
            name,
            label,
            [Cell(numbers[name][index], name, period, at) for index, (period, at) in enumerate(starts.items())],
        )
        for name, label in ROW_LABELS.items()
    ]


def build_chart(now: datetime, span: str, counts: DashboardCounts) -> charts.Chart:
    return charts.stack_columns(column_starts(now, span), counts.columns)


def build_timings(counts: DashboardCounts) -> list[Timing]:
    labels = {
        EventTiming.Metric.APPLY: _("From receipt"),
        EventTiming.Metric.LAG: _("From the change in Clerk"),
    }
    return [
        Timing(label, [hourly_counts.percentile(counts.timings[metric], fraction) for fraction in PERCENTILES])
        for metric, label in labels.items()
    ]


def column_starts(now: datetime, span: str) -> list[datetime]:
    unit, number, step = CHART_SPANS[span]
    last = start_of_hour(now).replace(hour=0) if unit == "day" else start_of_hour(now)
    return [last - step * index for index in reversed(range(number))]


def sum_since(counts: Mapping[datetime, int], start: datetime) -> int:
    return sum(number for hour, number in counts.items() if hour >= start)
