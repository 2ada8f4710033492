"""Count rejected requests by cause and hour, and store the latest requests for each cause.

The endpoint is public, so rejected requests must not fill or slow down the database. Each process keeps at most
MAX_SAMPLES requests per cause between flushes, and the table has the same limit. Bodies are never stored.
"""

from collections import deque
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from webhooks.inbox.background_counts import BackgroundCounter

#: Maximum number of stored requests per cause, and their maximum age.
MAX_SAMPLES, MAX_AGE_DAYS = 100, 30
MAX_SIZE = 2**63 - 1
#: The delivery was valid and is answered with 503; see webhooks.inbox.unavailable.
UNAVAILABLE = ("locked_row", "pool_exhausted", "disk_full", "database_away")
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
INSERT_SAMPLES = """
INSERT INTO webhooks_rejectedrequest (cause, at, address, size, note)
SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::inet[], %s::bigint[], %s::text[])
"""
#: Skips rows that another process is deleting.
DELETE_SAMPLES = """
DELETE FROM webhooks_rejectedrequest WHERE id IN (
    SELECT id FROM webhooks_rejectedrequest WHERE id IN (
        SELECT id FROM (
            SELECT id, at, row_number() OVER (PARTITION BY cause ORDER BY at DESC, id DESC) AS place
            FROM webhooks_rejectedrequest
        ) AS numbered
        WHERE place > %s OR at < now() - %s * interval '1 day'
    ) FOR UPDATE SKIP LOCKED
)
"""


class Sample(NamedTuple):
    """A rejected request. `note` is a value that explains the rejection, such as the clock offset."""

    cause: str
    at: datetime
    address: str | None
    size: int
    note: str


class RejectionCounter(BackgroundCounter):
    """Counts rejected requests in one process, and keeps the latest requests for each cause until the next flush."""

    def __init__(self) -> None:
        super().__init__(UPSERT, "rejected requests")
        self._samples: dict[str, deque[Sample]] = {}
        self._offsets_s: dict[str, int | None] = {}

    def count(
        self, cause: str, clock_offset_s: int | None = None, *, address: str | None = None, size: int = 0
    ) -> None:
        cause, now = cause if cause in CAUSES else "other", timezone.now()
        with self._lock:
            sample = Sample(cause, now, address, min(size, MAX_SIZE), _note(clock_offset_s))
            self._samples_of(cause).append(sample)
            self._offsets_s[cause] = clock_offset_s
            self._add(cause, now)

    def _row(self, hour: datetime, key: str, number: int) -> tuple[Any, ...]:
        return *super()._row(hour, key, number), self._offsets_s[key]

    def _samples_of(self, cause: str) -> "deque[Sample]":
        return self._samples.setdefault(cause, deque(maxlen=MAX_SAMPLES))

    def _take_details(self) -> list[Sample]:
        taken = [sample for samples in self._samples.values() for sample in samples]
        self._samples = {}
        return taken

    def _keep_details(self, details: list[Sample]) -> None:
        newer, self._samples = self._samples, {}
        for sample in [*details, *(sample for samples in newer.values() for sample in samples)]:
            self._samples_of(sample.cause).append(sample)

    def _write_details(self, cursor: Any, details: list[Sample]) -> None:
        if details:
            cursor.execute(INSERT_SAMPLES, [list(column) for column in zip(*details, strict=True)])
            cursor.execute(DELETE_SAMPLES, [MAX_SAMPLES, MAX_AGE_DAYS])


def _note(clock_offset_s: int | None) -> str:
    if clock_offset_s is None:
        return ""
    return f"signed {abs(clock_offset_s)} s {'ago' if clock_offset_s > 0 else 'in the future'}"


rejection_counter = RejectionCounter()
