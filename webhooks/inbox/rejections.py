"""Count requests to the endpoint that were not stored, by cause and hour.

The endpoint is public, so rejected requests must not fill or slow down the database. Each process counts them in
memory, in a table of fixed size, and writes one upsert per cause every ten seconds.
"""

import logging
import threading
from collections import Counter
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone

from core.times import start_of_hour

log = logging.getLogger(__name__)

FLUSH_DELAY_S = 10.0
#: The delivery was valid and is answered with 503; see webhooks.inbox.unavailable.
UNAVAILABLE = ("locked_row", "pool_exhausted", "database_away")
#: Causes with a counter. Any other cause is counted as "other", so that the table cannot grow.
CAUSES = (
    *("bad_signature", "stale_timestamp", "future_timestamp", "missing_headers", "malformed_headers"),
    *("unreadable_body", "not_text", "too_large", "address_not_allowed", "not_configured", "other"),
    *UNAVAILABLE,
)
UPSERT = """
INSERT INTO webhooks_rejectioncount AS stored (hour, cause, requests, last_at, clock_offset_s)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (hour, cause) DO UPDATE SET
    requests = stored.requests + excluded.requests, last_at = greatest(stored.last_at, excluded.last_at),
    clock_offset_s = coalesce(excluded.clock_offset_s, stored.clock_offset_s)
"""


class RejectionCounter:
    """Counts rejected requests in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._last_at: dict[str, datetime] = {}
        self._offsets_s: dict[str, int | None] = {}
        self._timer: threading.Timer | None = None

    def count(self, cause: str, clock_offset_s: int | None = None) -> None:
        cause = cause if cause in CAUSES else "other"
        with self._lock:
            self._counts[cause] += 1
            self._last_at[cause] = timezone.now()
            self._offsets_s[cause] = clock_offset_s
            self._schedule_flush()

    def _schedule_flush(self) -> None:
        """Start a timer unless one is running, so that the counts are written even if no further requests arrive."""
        if self._timer is None:
            self._timer = threading.Timer(FLUSH_DELAY_S, self._flush_in_thread)
            self._timer.daemon = True
            self._timer.start()

    def flush(self) -> None:
        """Write the counts, or keep them for the next flush if the database is unavailable."""
        with self._lock:
            counts, self._counts, self._timer = self._counts, Counter(), None
        try:
            with connection.cursor() as cursor:
                # Sort the causes, so that all processes lock the rows in the same order and cannot deadlock.
                hour = start_of_hour(timezone.now())
                rows = [
                    (hour, cause, counts[cause], self._last_at[cause], self._offsets_s[cause])
                    for cause in sorted(counts)
                ]
                cursor.executemany(UPSERT, rows)
        except (DatabaseError, InterfaceError) as error:
            log.warning(
                "Counts of rejected requests could not be written and are kept for the next flush: %s",
                error,
                extra={"cause": "rejection counts"},
            )
            with self._lock:
                self._counts += counts
                self._schedule_flush()

    def _flush_in_thread(self) -> None:
        try:
            self.flush()
        finally:
            connections.close_all()


rejection_counter = RejectionCounter()
