"""Totals of events that are right at any moment and never count millions of rows.

A periodic job counts whole hours into rows of their own. It counts anew every hour in which something changed since the
last time, because a retry changes an event of an old hour. Each event knows the transaction that changed it last, and
the job remembers before which transaction everything had been committed when it began. So an hour is "dirty" if it has an
event that changed since, and reading takes dirty hours from the events themselves, through two narrow indices, and all
others from the rows. Ingestion updates no counter, so concurrent events never wait for each other.

Which hours are dirty is asked first and then written into the statement that counts. In one statement PostgreSQL cannot
know how few they are: it plans for billions of rows, and where it compiles costly plans (`jit`) that alone takes a second.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from core.times import start_of_hour
from webhooks.models import EventTiming, FoldMark

#: The upper ends of the buckets that durations are counted in, in seconds; one more bucket takes what is longer.
STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    *(60, 300, 900, 3600, 6 * 3600, 24 * 3600),
)

HOUR_LONG = timedelta(hours=1)
HOUR = "date_trunc('hour', received_at, 'UTC')"
#: What is counted of an event.
FACTS = "received_at, event_type, state, deliveries, duration, processed_at, occurred_at"
# Compared as intervals: turning each into seconds takes longer than counting it.
STEPS = f"ARRAY[{', '.join(f"'{step} s'" for step in STEPS_S)}]::interval[]"
COUNTED = (
    "SELECT hour, event_type, state, count(*) AS events, sum(deliveries) AS deliveries FROM fresh GROUP BY 1, 2, 3"
)
#: Whole hours that were counted and have not changed since.
KEPT = "hour >= %(since)s AND hour <> ALL (%(dirty)s::timestamptz[])"


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
        hours = _changed_since(mark.transaction)
        for hour in hours:
            _count_anew(hour)
        mark.transaction, mark.folded_at = settled_before, timezone.now()
        mark.save()
    return len(hours)


def dirty_hours() -> list[datetime]:
    """Return the hours whose rows are not right any more; whoever reads several things asks once, in two statements.

    An hour that gets dirty afterwards is read as it was when this was asked, which is as right.
    """
    return _changed_since(FoldMark.objects.values_list("transaction", flat=True).first() or 0)


def hourly(since: datetime) -> list[HourCount]:
    """Return what was received in each whole hour from that of `since` on, oldest first."""
    query = f"""{COUNTED} UNION ALL
        SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount WHERE {KEPT} ORDER BY 1, 2, 3"""  # noqa: S608
    return [HourCount(*row) for row in read(query, since, dirty_hours())]


def totals(since: datetime, dirty: Sequence[datetime] | None = None) -> list[TypeCount]:
    """Return what was received from the whole hour of `since` on, of each type and state."""
    query = f"""SELECT event_type, state, sum(events)::bigint, sum(deliveries)::bigint FROM ({COUNTED} UNION ALL
            SELECT hour, event_type, state, events, deliveries FROM webhooks_eventcount WHERE {KEPT}) AS counted
        GROUP BY 1, 2 ORDER BY 1, 2"""  # noqa: S608
    return [TypeCount(*row) for row in read(query, since, dirty_hours() if dirty is None else dirty)]


def timings(since: datetime, dirty: Sequence[datetime] | None = None) -> dict[str, list[int]]:
    """Return how many processed events fell into each bucket of STEPS_S, by EventTiming.What, from `since`'s hour on."""
    query = f"""SELECT what, bucket, sum(events)::bigint FROM ({timed()} UNION ALL
            SELECT hour, what, bucket, events FROM webhooks_eventtiming WHERE {KEPT}) AS timed
        GROUP BY 1, 2"""  # noqa: S608
    return in_buckets(read(query, since, dirty_hours() if dirty is None else dirty))


def in_buckets(rows: Iterable[tuple[str, int, int]]) -> dict[str, list[int]]:
    """Return how many events fell into each bucket, from rows of what was timed, bucket and events."""
    found = Counter({(what, bucket): events for what, bucket, events in rows})
    return {str(what): [found[what, bucket] for bucket in range(len(STEPS_S) + 1)] for what in EventTiming.What}


def timed(source: str = "fresh") -> str:
    """Return a query that counts each processed event of `source` once for each thing that is timed.

    The clocks at Clerk and here may differ, so no lag is below zero.
    """
    return f"""
        SELECT hour, 'apply' AS what, width_bucket(duration, {STEPS}) AS bucket, count(*) AS events
        FROM {source} WHERE state = 'processed' GROUP BY 1, 3
        UNION ALL
        SELECT hour, 'lag', width_bucket(greatest(processed_at - occurred_at, interval '0'), {STEPS}), count(*)
        FROM {source} WHERE state = 'processed' AND occurred_at IS NOT NULL GROUP BY 1, 3"""  # noqa: S608


def read(query: str, since: datetime, dirty: Sequence[datetime], **more: Any) -> list[Any]:
    """Run a query over `fresh`, which are the events of `dirty` hours, and over rows that are KEPT.

    Args:
        query: what follows after `WITH fresh AS (…)`.
        more: its other parameters.
    """
    spans = _together([hour for hour in dirty if hour >= start_of_hour(since)])
    edges = {f"edge_{place}": edge for place, edge in enumerate(edge for span in spans for edge in span)}
    chosen = " OR ".join(
        f"received_at >= %(edge_{2 * place})s AND received_at < %(edge_{2 * place + 1})s" for place in range(len(spans))
    )
    # Materialized, because workers that help to read a few thousand rows take longer to start than to do it.
    fresh = f"SELECT {HOUR} AS hour, {FACTS} FROM webhooks_webhookevent WHERE {chosen or 'FALSE'}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH fresh AS MATERIALIZED ({fresh}) {query}",
            {"since": start_of_hour(since), "dirty": list(dirty), **edges, **more},
        )
        rows: list[Any] = cursor.fetchall()
    return rows


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


def _changed_since(transaction_id: int) -> list[datetime]:
    """Return the hours with events that were changed by this transaction or a later one, oldest first."""
    query = f"SELECT DISTINCT {HOUR} FROM webhooks_webhookevent WHERE changed_in >= %s ORDER BY 1"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(query, [transaction_id])
        return [hour for (hour,) in cursor.fetchall()]


def _together(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """Return the beginnings and ends of runs of hours that follow each other."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        begins = spans.pop()[0] if spans and spans[-1][1] == hour else hour
        spans.append((begins, hour + HOUR_LONG))
    return spans


def _count_anew(hour: datetime) -> None:
    """Replace the counts of one hour."""
    parameters = {"hour": hour, "until": hour + HOUR_LONG}
    fresh = f"""WITH fresh AS (
        SELECT {HOUR} AS hour, {FACTS} FROM webhooks_webhookevent WHERE received_at >= %(hour)s AND received_at < %(until)s
    )"""  # noqa: S608
    with connection.cursor() as cursor:
        for table, columns, query in (
            ("webhooks_eventcount", "hour, event_type, state, events, deliveries", COUNTED),
            ("webhooks_eventtiming", "hour, what, bucket, events", timed()),
        ):
            cursor.execute(f"DELETE FROM {table} WHERE hour = %(hour)s", parameters)  # noqa: S608
            cursor.execute(f"{fresh} INSERT INTO {table} ({columns}) {query}", parameters)
