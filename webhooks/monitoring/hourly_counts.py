"""Exact event totals without counting millions of rows.

A periodic job aggregates events into one row per hour, type and state. It recounts each hour that has changed since
the last run, because a retry can change an event in an old hour. Each event stores the transaction that last changed
it. The job stores the oldest transaction that was open when the job started. An hour is "dirty" if one of its events
has changed since then. Dirty hours are counted directly from the events, using two small indexes. All other hours are
read from the aggregated rows. Ingestion does not update counters, so concurrent events never wait for each other.

The dirty hours are queried first and then passed to the count query as literals. In a single statement, PostgreSQL
would not know that there are only a few dirty hours. It would plan for billions of rows, and JIT compilation of such a
plan alone takes a second.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from core.times import start_of_hour
from webhooks.models import AggregationProgress, EventTiming

#: Upper bounds of the duration buckets, in seconds. An additional bucket contains all longer durations.
BUCKETS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    *(60, 300, 900, 3600, 6 * 3600, 24 * 3600),
)

ONE_HOUR = timedelta(hours=1)
HOUR_SQL = "date_trunc('hour', received_at, 'UTC')"
COLUMNS_SQL = "received_at, event_type, state, deliveries, duration, processed_at, occurred_at"
# Intervals are used, because converting each duration to seconds takes longer than counting it.
BUCKETS_SQL = f"ARRAY[{', '.join(f"'{bound} s'" for bound in BUCKETS_S)}]::interval[]"
COUNT_SQL = (
    "SELECT hour, event_type, state, count(*) AS events, sum(deliveries) AS deliveries FROM fresh GROUP BY 1, 2, 3"
)
#: Selects aggregated hours that are still valid.
CLEAN_HOURS_SQL = "hour >= %(since)s AND hour <> ALL (%(dirty)s::timestamptz[])"


class HourCount(NamedTuple):
    """Events of one type and state received in one hour; `deliveries` includes repeats."""

    hour: datetime
    event_type: str
    state: str
    events: int
    deliveries: int


class TypeCount(NamedTuple):
    """Events of one type and state, summed over several hours."""

    event_type: str
    state: str
    events: int
    deliveries: int


def aggregate() -> int:
    """Recount the hours that changed since the last run.

    A concurrent run waits for this run. Until it commits, readers see the previous counts, which are also exact.

    Returns:
        The number of hours that were recounted.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        progress, _ = AggregationProgress.objects.get_or_create(pk=1)
        progress = AggregationProgress.objects.select_for_update().get(pk=progress.pk)
        # All earlier transactions have ended, so they can no longer change events.
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        [oldest_open] = cursor.fetchone()
        hours = _hours_changed_since(progress.transaction)
        for hour in hours:
            _recount(hour)
        progress.transaction, progress.aggregated_at = oldest_open, timezone.now()
        progress.save()
    return len(hours)


def dirty_hours() -> list[datetime]:
    """Return the hours whose aggregated rows are outdated, in two statements.

    Callers that run several queries should pass the result to each of them. An hour that becomes dirty afterwards is read
    from its aggregated rows, which gives the totals at the time of this call.
    """
    return _hours_changed_since(AggregationProgress.objects.values_list("transaction", flat=True).first() or 0)


def hourly(since: datetime) -> list[HourCount]:
    """Return the counts of each hour since the hour of `since`, oldest first."""
    query = f"""{COUNT_SQL} UNION ALL
        SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount WHERE {CLEAN_HOURS_SQL}
        ORDER BY 1, 2, 3"""  # noqa: S608
    return [HourCount(*row) for row in run_query(query, since, dirty_hours())]


def totals(since: datetime, dirty: Sequence[datetime] | None = None) -> list[TypeCount]:
    """Return the total counts of each type and state since the hour of `since`."""
    query = f"""SELECT event_type, state, sum(events)::bigint, sum(deliveries)::bigint FROM ({COUNT_SQL} UNION ALL
            SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount WHERE {CLEAN_HOURS_SQL}
        ) AS counted GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608
    return [TypeCount(*row) for row in run_query(query, since, dirty_hours() if dirty is None else dirty)]


def events_by_hour(since: datetime) -> dict[datetime, int]:
    """Return the number of events per hour from the hour of `since`, without empty hours."""
    query = f"""SELECT hour, sum(events)::bigint FROM ({COUNT_SQL} UNION ALL
            SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount WHERE {CLEAN_HOURS_SQL}
        ) AS counted GROUP BY 1"""  # noqa: S608
    return dict(run_query(query, since, dirty_hours()))


def timings(since: datetime, dirty: Sequence[datetime] | None = None) -> dict[str, list[int]]:
    """Return a histogram of processed events over BUCKETS_S for each EventTiming.Metric, from the hour of `since`."""
    query = f"""SELECT metric, bucket, sum(events)::bigint FROM ({timing_sql()} UNION ALL
            SELECT hour, metric, bucket, events FROM webhooks_eventtiming WHERE {CLEAN_HOURS_SQL}) AS timed
        GROUP BY 1, 2"""  # noqa: S608
    return build_histograms(run_query(query, since, dirty_hours() if dirty is None else dirty))


def build_histograms(rows: Iterable[tuple[str, int, int]]) -> dict[str, list[int]]:
    found = Counter({(metric, bucket): events for metric, bucket, events in rows})
    return {
        str(metric): [found[metric, bucket] for bucket in range(len(BUCKETS_S) + 1)] for metric in EventTiming.Metric
    }


def timing_sql(source: str = "fresh") -> str:
    """Return a query that counts the processed events of `source` by hour, metric and bucket.

    Negative lags are counted as zero, because the clocks in Clerk and here may differ.
    """
    return f"""
        SELECT hour, 'apply' AS metric, width_bucket(duration, {BUCKETS_SQL}) AS bucket, count(*) AS events
        FROM {source} WHERE state = 'processed' GROUP BY 1, 3
        UNION ALL
        SELECT hour, 'lag', width_bucket(greatest(processed_at - occurred_at, interval '0'), {BUCKETS_SQL}), count(*)
        FROM {source} WHERE state = 'processed' AND occurred_at IS NOT NULL GROUP BY 1, 3"""  # noqa: S608


def run_query(query: str, since: datetime, dirty: Sequence[datetime], **parameters: Any) -> list[Any]:
    """Run a query on `fresh` (the events of the dirty hours) and on aggregated rows filtered by CLEAN_HOURS_SQL.

    Args:
        query: the SQL after `WITH fresh AS (…)`.
        parameters: further parameters of the query.
    """
    spans = _merge_consecutive([hour for hour in dirty if hour >= start_of_hour(since)])
    edges = {f"edge_{index}": edge for index, edge in enumerate(edge for span in spans for edge in span)}
    conditions = " OR ".join(
        f"received_at >= %(edge_{2 * index})s AND received_at < %(edge_{2 * index + 1})s" for index in range(len(spans))
    )
    # MATERIALIZED prevents parallel workers, which take longer to start than reading a few thousand rows.
    fresh = f"SELECT {HOUR_SQL} AS hour, {COLUMNS_SQL} FROM webhooks_webhookevent WHERE {conditions or 'FALSE'}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH fresh AS MATERIALIZED ({fresh}) {query}",
            {"since": start_of_hour(since), "dirty": list(dirty), **edges, **parameters},
        )
        rows: list[Any] = cursor.fetchall()
    return rows


def percentile(histogram: Sequence[int], fraction: float) -> float | None:
    """Estimate a percentile from a histogram over BUCKETS_S.

    The value is interpolated within its bucket, so the error is not larger than the bucket's width.

    Args:
        fraction: the percentile as a fraction between 0 and 1.

    Returns:
        A duration in seconds, or None if the histogram is empty.
    """
    total, reached = sum(histogram), 0
    for bucket, events in enumerate(histogram):
        if events and reached + events >= fraction * total:
            lower = BUCKETS_S[bucket - 1] if bucket else 0.0
            upper = BUCKETS_S[bucket] if bucket < len(BUCKETS_S) else lower
            return lower + (upper - lower) * max(fraction * total - reached, 0) / events
        reached += events
    return None


def _hours_changed_since(transaction_id: int) -> list[datetime]:
    query = f"SELECT DISTINCT {HOUR_SQL} FROM webhooks_webhookevent WHERE changed_in >= %s ORDER BY 1"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(query, [transaction_id])
        return [hour for (hour,) in cursor.fetchall()]


def _merge_consecutive(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the start and end of each run of consecutive hours."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        start = spans.pop()[0] if spans and spans[-1][1] == hour else hour
        spans.append((start, hour + ONE_HOUR))
    return spans


def _recount(hour: datetime) -> None:
    parameters = {"hour": hour, "until": hour + ONE_HOUR}
    fresh = f"""WITH fresh AS (
        SELECT {HOUR_SQL} AS hour, {COLUMNS_SQL} FROM webhooks_webhookevent
        WHERE received_at >= %(hour)s AND received_at < %(until)s
    )"""  # noqa: S608
    with connection.cursor() as cursor:
        for table, columns, query in (
            ("webhooks_eventcount", "hour, event_type, state, events, deliveries", COUNT_SQL),
            ("webhooks_eventtiming", "hour, metric, bucket, events", timing_sql()),
        ):
            cursor.execute(f"DELETE FROM {table} WHERE hour = %(hour)s", parameters)  # noqa: S608
            cursor.execute(f"{fresh} INSERT INTO {table} ({columns}) {query}", parameters)
