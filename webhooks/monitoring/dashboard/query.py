"""All counts of the dashboard in one statement, so that they are consistent and the events are read only once."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Sum

from core.times import start_of_hour
from webhooks.models import RejectionCount
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.hourly_counts import CLEAN_HOURS_SQL

QUERY = f""", recent AS (SELECT * FROM fresh WHERE hour >= %(timed)s)
SELECT 'period' AS kind, NULL::timestamptz AS column_start, state AS name,
    width_bucket(at, %(starts)s::timestamptz[]) AS number, sum(events)::bigint AS events, sum(deliveries)::bigint
FROM (
    SELECT received_at AS at, state, 1 AS events, deliveries FROM fresh
    UNION ALL SELECT hour, state, events, deliveries FROM webhooks_eventcount WHERE {CLEAN_HOURS_SQL}
) AS counted GROUP BY 3, 4
UNION ALL
SELECT 'column', date_trunc(%(unit)s, hour, 'UTC'), event_type, NULL, sum(events)::bigint,
    sum(events) FILTER (WHERE state IN ('failed', 'dead'))::bigint
FROM (
    SELECT hour, event_type, state, count(*) AS events FROM fresh WHERE hour >= %(columns)s GROUP BY 1, 2, 3
    UNION ALL
    SELECT hour, event_type, state, events FROM webhooks_eventcount WHERE {CLEAN_HOURS_SQL} AND hour >= %(columns)s
) AS counted GROUP BY 2, 3
UNION ALL
SELECT 'timing', NULL, metric, bucket, sum(events)::bigint, NULL
FROM (
    {hourly_counts.timing_sql("recent")}
    UNION ALL
    SELECT hour, metric, bucket, events FROM webhooks_eventtiming WHERE {CLEAN_HOURS_SQL} AND hour >= %(timed)s
) AS counted GROUP BY 3, 4
"""  # noqa: S608  # built only from constants of this module and of hourly_counts


class DashboardCounts(NamedTuple):
    """The result of the dashboard query.

    Attributes:
        periods: by state, the number of events and deliveries received since the start of each period.
        columns: start of the hour or day, event type, and number of events.
        unsettled: number of failed and dead events by start of the hour or day.
        rejected: number of rejected requests by hour.
        timings: a histogram over hourly_counts.BUCKETS_S for each EventTiming.Metric.
    """

    periods: dict[str, list[tuple[int, int]]]
    columns: list[tuple[datetime, str, int]]
    unsettled: dict[datetime, int]
    rejected: dict[datetime, int]
    timings: dict[str, list[int]]


def fetch_counts(
    starts: Sequence[datetime], *, columns_since: datetime, unit: str, timed_since: datetime
) -> DashboardCounts:
    """Run the dashboard query, using four statements, two of which find the dirty hours.

    Args:
        starts: the start of each period. If a period starts within an hour, the hour is read from its events, so pass
            whole hours unless the exact minute is needed.
        columns_since: start of the first chart column.
        unit: the width of a chart column, "hour" or "day".
        timed_since: only events from this hour on are included in `timings`.
    """
    ordered = sorted(starts)
    split_hours = {start_of_hour(start) for start in starts if start != start_of_hour(start)}
    hours = sorted({*hourly_counts.dirty_hours(), *split_hours})
    limits = {"columns": start_of_hour(columns_since), "timed": start_of_hour(timed_since)}
    since = min(ordered[0], columns_since, timed_since)
    rows_of: defaultdict[str, list[Any]] = defaultdict(list)
    for kind, *row in hourly_counts.run_query(QUERY, since, hours, starts=ordered, unit=unit, **limits):
        rows_of[kind].append(row)
    return DashboardCounts(
        _sum_periods([ordered.index(start) + 1 for start in starts], rows_of["period"]),
        [(start, name, events) for start, name, _, events, _ in rows_of["column"]],
        _sum_unsettled(rows_of["column"]),
        _count_rejected(start_of_hour(since)),
        hourly_counts.build_histograms((metric, bucket, events) for _, metric, bucket, events, _ in rows_of["timing"]),
    )


def _sum_unsettled(rows: Sequence[Any]) -> dict[datetime, int]:
    sums: Counter[datetime] = Counter()
    for start, _, _, _, unsettled in rows:
        sums[start] += unsettled or 0
    return sums


def _count_rejected(since: datetime) -> dict[datetime, int]:
    """Return the number of rejected requests by hour. Their causes are summed."""
    counted = RejectionCount.objects.filter(hour__gte=since).values_list("hour").annotate(Sum("requests"))
    return dict(counted.order_by())


def _sum_periods(numbers: Sequence[int], rows: Sequence[Any]) -> dict[str, list[tuple[int, int]]]:
    """Return the events and deliveries of each state from each start until now."""
    return {
        state: [
            (
                sum(events for _, name, number, events, _ in rows if name == state and number >= first),
                sum(deliveries for _, name, number, _, deliveries in rows if name == state and number >= first),
            )
            for first in numbers
        ]
        for state in {row[1] for row in rows}
    }
