"""Count requests by key and hour without a statement per request.

Each process counts in memory. Every ten seconds, a timer executes one upsert per key.
"""

import logging
import threading
from collections import Counter
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, connections, transaction
from django.utils import timezone

from core.times import start_of_hour

log = logging.getLogger(__name__)

FLUSH_DELAY_S = 10.0


class BackgroundCounter:
    """Counts the requests of one process.

    Args:
        upsert: SQL that upserts one row of hour, key, number and time of the last request.
        name: what is counted, for log messages.
    """

    def __init__(self, upsert: str, name: str) -> None:
        self._upsert, self._name = upsert, name
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._last_at: dict[str, datetime] = {}
        self._timer: threading.Timer | None = None

    def count(self, key: str) -> None:
        with self._lock:
            self._add(key, timezone.now())

    def _add(self, key: str, now: datetime) -> None:
        self._counts[key] += 1
        self._last_at[key] = now
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
            details = self._take_details()
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # Sort the keys so that all processes lock the rows in the same order and cannot deadlock.
                hour = start_of_hour(timezone.now())
                cursor.executemany(self._upsert, [self._row(hour, key, counts[key]) for key in sorted(counts)])
                self._write_details(cursor, details)
        except (DatabaseError, InterfaceError) as error:
            log.warning(
                "Counts of %s could not be written and are kept for the next flush: %s",
                self._name,
                error,
                extra={"cause": f"{self._name} counts"},
            )
            with self._lock:
                self._counts += counts
                self._keep_details(details)
                self._schedule_flush()

    def _row(self, hour: datetime, key: str, number: int) -> tuple[Any, ...]:
        """Return the parameters of the upsert."""
        return hour, key, number, self._last_at[key]

    def _take_details(self) -> Any:
        """Return and reset the data to write in addition to the counts."""

    def _keep_details(self, details: Any) -> None:
        """Restore the details after a failed flush."""

    def _write_details(self, cursor: Any, details: Any) -> None:
        """Write the details in the same transaction as the counts."""

    def _flush_in_thread(self) -> None:
        try:
            self.flush()
        finally:
            connections.close_all()
