"""Requests to the endpoint that were refused, counted by cause and hour.

A stranger can send any number of them and must not make the database grow or work: each process counts in a table of
fixed size in memory, and writes it every ten seconds as one upsert for each cause.
"""

import logging
import threading
from collections import Counter

from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone

from core.times import start_of_hour

log = logging.getLogger(__name__)

FLUSH_DELAY_S = 10.0
#: What is counted by name; whatever else comes is "other", so that the table can never grow.
CAUSES = (
    *("bad_signature", "stale_timestamp", "missing_headers", "malformed_headers", "unreadable_body", "not_text"),
    *("too_large", "address_not_allowed", "other"),
)
UPSERT = """
INSERT INTO webhooks_rejectioncount (hour, cause, requests) VALUES (%s, %s, %s)
ON CONFLICT (hour, cause) DO UPDATE SET requests = webhooks_rejectioncount.requests + excluded.requests
"""


class RejectionCounter:
    """The counter of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._timer: threading.Timer | None = None

    def count(self, cause: str) -> None:
        """Count one refused request, to be written within ten seconds."""
        with self._lock:
            self._counts[cause if cause in CAUSES else "other"] += 1
            if self._timer is None:
                # A thread of its own: nobody may come after this request and take the count along.
                self._timer = threading.Timer(FLUSH_DELAY_S, self._flush_in_thread)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        with self._lock:
            counts, self._counts, self._timer = self._counts, Counter(), None
        try:
            with connection.cursor() as cursor:
                # In one order, so that two processes never wait for each other crosswise.
                hour = start_of_hour(timezone.now())
                cursor.executemany(UPSERT, [(hour, cause, counts[cause]) for cause in sorted(counts)])
        except (DatabaseError, InterfaceError) as error:
            log.warning("Refused requests could not be counted yet: %s", error)
            with self._lock:
                self._counts += counts

    def _flush_in_thread(self) -> None:
        try:
            self.flush()
        finally:
            connections.close_all()


rejection_counter = RejectionCounter()
