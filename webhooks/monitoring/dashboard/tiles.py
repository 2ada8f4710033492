"""The most important figures of the last 24 hours, each with a trend line and the change since the days before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webhooks.models import EventTiming, WebhookEvent
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.dashboard import charts
from webhooks.monitoring.dashboard.counts import CHART_SPANS, PERIODS, Row, column_starts
from webhooks.monitoring.dashboard.query import DashboardCounts

PERIOD_NAMES = list(PERIODS)
DAY_INDEX, WEEK_INDEX, MONTH_INDEX = (PERIOD_NAMES.index(name) for name in ("24 h", "7 d", "30 d"))
#: Number of days before the last 24 hours that the figures are compared with.
EARLIER_DAYS = 6
#: Greater changes are shown as a multiple instead of a percentage.
MAX_PERCENT = 900


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure.

    Attributes:
        number: a count, or None if the figure is a duration.
        seconds: a duration, or None without data.
        trend: points of an SVG polyline, or "" without a trend.
        note: the change, or further figures.
    """

    key: str
    label: str | Promise
    number: int | None = None
    seconds: float | None = None
    trend: str = ""
    note: str = ""
    is_problem: bool = False


def build_tiles(now: datetime, span: str, rows: Sequence[Row], counts: DashboardCounts) -> list[Tile]:
    """Return the tiles. Trends have the columns of the chart."""
    starts, (_unit, _number, width) = column_starts(now, span), CHART_SPANS[span]
    received = dict.fromkeys(starts, 0)
    for start, _name, events in counts.columns:
        received[start] = received.get(start, 0) + events
    rejected = [sum(n for hour, n in counts.rejected.items() if start <= hour < start + width) for start in starts]
    return [
        _count_tile("received", gettext_lazy("Events received"), ["received"], rows, list(received.values())),
        _count_tile(
            "unsettled",
            gettext_lazy("Failed or dead"),
            list(WebhookEvent.UNSETTLED),
            rows,
            [counts.unsettled.get(start, 0) for start in starts],
        ),
        _count_tile("rejected", gettext_lazy("Rejected requests"), ["rejected"], rows, rejected),
        _lag_tile(counts),
    ]


def _count_tile(
    key: str, label: str | Promise, names: Sequence[str], rows: Sequence[Row], trend: Sequence[int]
) -> Tile:
    found = [row for row in rows if row.name in names]
    day, week = (sum(row.cells[index].number for row in found) for index in (DAY_INDEX, WEEK_INDEX))
    is_problem = any(row.cells[DAY_INDEX].number for row in found if row.is_problem)
    note = describe_change(day, week - day, has_history=_has_history(rows))
    return Tile(key, label, day, trend=charts.trend_points(trend), note=note, is_problem=is_problem)


def _has_history(rows: Sequence[Row]) -> bool:
    """Return whether the site received events more than a week ago. Newer sites do not have a full week to average."""
    return any(row.cells[MONTH_INDEX].number > row.cells[WEEK_INDEX].number for row in rows if row.name == "received")


def _lag_tile(counts: DashboardCounts) -> Tile:
    p95 = hourly_counts.percentile(counts.timings[EventTiming.Metric.LAG], 0.95)
    return Tile("lag", gettext_lazy("Delay from Clerk"), seconds=p95, note=_("95 percent of events are faster"))


def describe_change(day: int, earlier: int, *, has_history: bool) -> str:
    """Compare the count of the last 24 hours with the daily average of the preceding days.

    Args:
        earlier: the total count for EARLIER_DAYS.
        has_history: whether the site is old enough for an average. On a newer site, it would be too low.
    """
    if not earlier:
        return _("None in the previous 6 days") if day else _("None in 7 days")
    if not has_history:
        return _("%s in the previous 6 days") % number_format(earlier, force_grouping=True)
    percent = round(100 * (day * EARLIER_DAYS - earlier) / earlier)
    if percent > MAX_PERCENT:
        return _("%s times the daily average") % round(percent / 100 + 1)
    if percent == 0:
        return _("Same as the daily average")
    text = _("%s %% above the daily average") if percent > 0 else _("%s %% below the daily average")
    return text % abs(percent)
