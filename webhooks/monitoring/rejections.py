"""Requests that the endpoint rejected or answered with 503, and the incident that the latest of them belong to."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from core.times import start_of_hour
from webhooks.inbox.rejections import MAX_SAMPLES

HOUR = timedelta(hours=1)
#: Older requests are ignored. Svix waits at most ten hours before it sends a rejected delivery again.
MEMORY = timedelta(hours=11)
#: An incident ends with a pause of this length, and of this many times the mean time between its requests.
MIN_PAUSE, PAUSE_FACTOR = timedelta(minutes=5), 10
QUERY = """
SELECT cause, coalesce(sum(requests) FILTER (WHERE hour >= %s), 0), max(last_at),
    (array_agg(clock_offset_s ORDER BY hour DESC))[1],
    ARRAY(
        SELECT at FROM webhooks_rejectedrequest AS stored
        WHERE stored.cause = counted.cause AND at > %s ORDER BY at DESC LIMIT %s
    )
FROM webhooks_rejectioncount AS counted WHERE last_at > %s AND hour >= %s GROUP BY cause
"""


class Rejections(NamedTuple):
    """Requests rejected for one cause.

    Attributes:
        requests: the number in the current and previous hour.
        last_at: when the last of them arrived, at most MEMORY ago.
        clock_offset_s: the offset between its timestamp and our clock.
        times: when the latest requests arrived, newest first, at most MAX_SAMPLES.
    """

    requests: int
    last_at: datetime
    clock_offset_s: int | None = None
    times: tuple[datetime, ...] = ()

    def since(self, moment: datetime | None) -> int:
        """Count the requests after a time, or within MEMORY. If more are not stored, the hourly count is a minimum."""
        newer = sum(moment is None or at > moment for at in self.times)
        return max(newer, self.requests) if newer >= MAX_SAMPLES else newer


class Incident(NamedTuple):
    """The latest requests without a long pause between them."""

    first_at: datetime
    last_at: datetime
    mean_gap: timedelta


def read(now: datetime) -> dict[str, Rejections]:
    """Return the rejected requests by cause, in one statement that reads at most a few hundred rows per cause."""
    since = now - MEMORY
    with connection.cursor() as cursor:
        cursor.execute(QUERY, [start_of_hour(now - HOUR), since, MAX_SAMPLES, since, start_of_hour(since)])
        return {
            cause: Rejections(int(requests), last_at, offset_s, tuple(times))
            for cause, requests, last_at, offset_s, times in cursor.fetchall()
        }


def latest_incident(rows: Collection[Rejections]) -> Incident | None:
    times = sorted(at for row in rows for at in row.times)
    if not times:
        return None
    first, last, number = times[0], times[0], 1
    for at in times[1:]:
        if at - last > max(MIN_PAUSE, PAUSE_FACTOR * (last - first) / number):
            first, number = at, 0
        last, number = at, number + 1
    return Incident(first, last, (last - first) / max(number - 1, 1))
