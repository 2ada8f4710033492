"""Totals of events that are right at any moment and never count millions of rows.

A periodic job counts whole hours into rows of their own. It counts anew every hour in which something changed since the
last time, because a retry changes an event of an old hour. Each event knows the transaction that changed it last, and
the job remembers before which transaction everything had been committed when it began. So an hour is "dirty" if it has an
event that changed since, and reading takes dirty hours from the events themselves, through two narrow indices, and all
others from the rows. Ingestion updates no counter, so concurrent events never wait for each other.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from webhooks.models import EventCount, EventTiming, FoldMark

#: The upper ends of the buckets that durations are counted in, in seconds; one more bucket takes what is longer.
STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    *(60, 300, 900, 3600, 6 * 3600, 24 * 3600),
)

HOUR = "date_trunc('hour', received_at, 'UTC')"
#: Hours with events that changed since they were counted.
DIRTY = f"""
dirty AS MATERIALIZED (
    SELECT DISTINCT {HOUR} AS hour FROM webhooks_webhookevent
    WHERE changed_in >= coalesce((SELECT max(transaction) FROM webhooks_foldmark), 0)
),
fresh AS (
    SELECT dirty.hour, event.* FROM dirty JOIN webhooks_webhookevent AS event
        ON event.received_at >= dirty.hour AND event.received_at < dirty.hour + interval '1 hour'
    WHERE dirty.hour >= %(since)s
)
"""  # noqa: S608  # all of it stands here
STEPS = f"ARRAY[{', '.join(map(str, STEPS_S))}]::float8[]"
#: Each settled event once for each thing that is timed. The clocks at Clerk and here may differ, so no lag is below zero.
TIMED = f"""
SELECT hour, what, width_bucket(seconds, {STEPS}) AS bucket, count(*) AS events
FROM fresh CROSS JOIN LATERAL (VALUES
    ('apply', extract(epoch FROM duration)::float8),
    ('lag', greatest(extract(epoch FROM processed_at - occurred_at)::float8, 0))
) AS timing (what, seconds)
WHERE state = 'processed' AND seconds IS NOT NULL
GROUP BY 1, 2, 3
"""  # noqa: S608
COUNTED = (
    "SELECT hour, event_type, state, count(*) AS events, sum(deliveries) AS deliveries FROM fresh GROUP BY 1, 2, 3"
)


class HourCount(NamedTuple):
    """Events of one type and state that were received in one hour; deliveries count their repeats, too."""

    hour: datetime
    event_type: str
    state: str
    events: int
    deliveries: int


class TypeCount(NamedTuple):
    """Events of one type and state, over several hours."""

    event_type: str
    state: str
    events: int
    deliveries: int


def fold() -> int:
    """Count the hours in which something changed; return how many there were.

    A second run waits for the first. Whoever reads meanwhile sees what was there before, which is as right.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        mark, _ = FoldMark.objects.get_or_create(pk=1)
        mark = FoldMark.objects.select_for_update().get(pk=mark.pk)
        # Whatever was changed by an earlier transaction than this is committed, or never will be.
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        [settled_before] = cursor.fetchone()
        cursor.execute(
            f"SELECT DISTINCT {HOUR} FROM webhooks_webhookevent WHERE changed_in >= %s",  # noqa: S608
            [mark.transaction],
        )
        hours = [hour for (hour,) in cursor.fetchall()]
        for hour in hours:
            _count_anew(hour)
        mark.transaction, mark.folded_at = settled_before, timezone.now()
        mark.save()
    return len(hours)


def hourly(since: datetime) -> list[HourCount]:
    """Return what was received in each whole hour from that of `since` on, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {DIRTY} {COUNTED} UNION ALL
            SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount
            WHERE hour >= %(since)s AND hour NOT IN (SELECT hour FROM dirty)
            ORDER BY 1, 2, 3""",  # noqa: S608
            {"since": whole_hour(since)},
        )
        return [HourCount(*row) for row in cursor.fetchall()]


def totals(since: datetime) -> list[TypeCount]:
    """Return what was received from the whole hour of `since` on, of each type and state."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {DIRTY}, counted AS ({COUNTED} UNION ALL
                SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount
                WHERE hour >= %(since)s AND hour NOT IN (SELECT hour FROM dirty))
            SELECT event_type, state, sum(events)::bigint, sum(deliveries)::bigint FROM counted GROUP BY 1, 2
            ORDER BY 1, 2""",  # noqa: S608
            {"since": whole_hour(since)},
        )
        return [TypeCount(*row) for row in cursor.fetchall()]


def timings(since: datetime) -> dict[str, list[int]]:
    """Return how many processed events fell into each bucket of STEPS_S, by EventTiming.What, from `since`'s hour on."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {DIRTY}, timed AS ({TIMED} UNION ALL
                SELECT hour, what, bucket, events FROM webhooks_eventtiming
                WHERE hour >= %(since)s AND hour NOT IN (SELECT hour FROM dirty))
            SELECT what, bucket, sum(events) FROM timed GROUP BY 1, 2""",  # noqa: S608
            {"since": whole_hour(since)},
        )
        found = Counter({(what, bucket): int(events) for what, bucket, events in cursor.fetchall()})
    return {str(what): [found[what, bucket] for bucket in range(len(STEPS_S) + 1)] for what in EventTiming.What}


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """Return the seconds within which `share` (0 to 1) of the counted events were done; None if there were none.

    It is read off between the ends of its bucket, so it can be off by as much as the bucket is wide.
    """
    total, reached = sum(buckets), 0
    for number, events in enumerate(buckets):
        if events and reached + events >= share * total:
            lower = STEPS_S[number - 1] if number else 0.0
            upper = STEPS_S[number] if number < len(STEPS_S) else lower
            return lower + (upper - lower) * max(share * total - reached, 0) / events
        reached += events
    return None


def whole_hour(moment: datetime) -> datetime:
    """Return when the hour of `moment` began."""
    return moment.replace(minute=0, second=0, microsecond=0)


def forget_before(moment: datetime) -> int:
    """Delete counts of hours before `moment`; return how many rows went."""
    return sum(model._default_manager.filter(hour__lt=moment).delete()[0] for model in (EventCount, EventTiming))


def _count_anew(hour: datetime) -> None:
    """Replace the counts of one hour."""
    parameters = {"hour": hour, "until": hour + timedelta(hours=1)}
    fresh = f"""WITH fresh AS (
        SELECT {HOUR} AS hour, * FROM webhooks_webhookevent WHERE received_at >= %(hour)s AND received_at < %(until)s
    )"""  # noqa: S608
    with connection.cursor() as cursor:
        for table, columns, query in (
            ("webhooks_eventcount", "hour, event_type, state, events, deliveries", COUNTED),
            ("webhooks_eventtiming", "hour, what, bucket, events", TIMED),
        ):
            cursor.execute(f"DELETE FROM {table} WHERE hour = %(hour)s", parameters)  # noqa: S608
            cursor.execute(f"{fresh} INSERT INTO {table} ({columns}) {query}", parameters)
