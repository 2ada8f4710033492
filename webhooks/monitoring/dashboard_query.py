"""All that the dashboard counts, in one statement: so its figures are of one moment, and events are read once for all."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from core.times import start_of_hour
from webhooks.monitoring import hourly_counts
from webhooks.monitoring.hourly_counts import KEPT

QUERY = f""", recent AS (SELECT * FROM fresh WHERE hour >= %(timed)s)
SELECT 'stretch' AS kind, NULL::timestamptz AS place, state AS name,
    width_bucket(at, %(starts)s::timestamptz[]) AS number, sum(events)::bigint AS events, sum(deliveries)::bigint
FROM (
    SELECT received_at AS at, state, 1 AS events, deliveries FROM fresh
    UNION ALL SELECT hour, state, events, deliveries FROM webhooks_eventcount WHERE {KEPT}
) AS counted GROUP BY 3, 4
UNION ALL
SELECT 'column', date_trunc(%(unit)s, hour, 'UTC'), event_type, NULL, sum(events)::bigint, NULL
FROM (
    SELECT hour, event_type, count(*) AS events FROM fresh WHERE hour >= %(columns)s GROUP BY 1, 2
    UNION ALL SELECT hour, event_type, events FROM webhooks_eventcount WHERE {KEPT} AND hour >= %(columns)s
) AS counted GROUP BY 2, 3
UNION ALL
SELECT 'timing', NULL, what, bucket, sum(events)::bigint, NULL
FROM (
    {hourly_counts.timed("recent")}
    UNION ALL SELECT hour, what, bucket, events FROM webhooks_eventtiming WHERE {KEPT} AND hour >= %(timed)s
) AS counted GROUP BY 3, 4
"""  # noqa: S608  # all of it stands here and in rollups


class Overview(NamedTuple):
    """What was counted.

    Attributes:
        stretches: by state, the events and deliveries received since each start.
        columns: when each hour or day began, a type, and how many events of it were received.
        timings: how many processed events fell into each bucket, by EventTiming.What.
    """

    stretches: dict[str, list[tuple[int, int]]]
    columns: list[tuple[datetime, str, int]]
    timings: dict[str, list[int]]


def take(starts: Sequence[datetime], *, columns: datetime, unit: str, timed: datetime) -> Overview:
    """Count; three statements, two of which ask which hours are dirty.

    Args:
        starts: beginnings of stretches. The hour in the middle of which one lies is read from its events, so give whole
            hours where that is good enough.
        columns: where the columns begin.
        unit: what a column stands for, "hour" or "day".
        timed: from the hour of which on it matters how long events took.
    """
    ordered = sorted(starts)
    divided = {start_of_hour(start) for start in starts if start != start_of_hour(start)}
    read = sorted({*hourly_counts.dirty_hours(), *divided})
    since = {"columns": start_of_hour(columns), "timed": start_of_hour(timed)}
    rows = hourly_counts.read(QUERY, min(ordered[0], columns, timed), read, starts=ordered, unit=unit, **since)
    of: defaultdict[str, list[Any]] = defaultdict(list)
    for kind, *row in rows:
        of[kind].append(row)
    return Overview(
        _stretches([ordered.index(start) + 1 for start in starts], of["stretch"]),
        [(place, name, events) for place, name, _, events, _ in of["column"]],
        hourly_counts.in_buckets((what, bucket, events) for _, what, bucket, events, _ in of["timing"]),
    )


def _stretches(places: Sequence[int], rows: Sequence[Any]) -> dict[str, list[tuple[int, int]]]:
    """Add up what lies between two starts at a time, from each start to now."""
    return {
        state: [
            (
                sum(events for _, name, number, events, _ in rows if name == state and number >= place),
                sum(deliveries for _, name, number, _, deliveries in rows if name == state and number >= place),
            )
            for place in places
        ]
        for state in {row[1] for row in rows}
    }
