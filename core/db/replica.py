"""Read public pages from a replica (DATABASE_REPLICA_URL).

Only code inside `read_from_replica` uses the replica, and only for plain reads. Writes, locks, transactions, and requests
of signed-in users always use the primary, so users see their own changes. docs/deploy/replica.md describes the set-up.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from threading import Lock
from typing import Any

from django.conf import settings
from django.db import Error, connections, models
from django.http import Http404

from core.db.outages import is_outage

log = logging.getLogger(__name__)

PRIMARY, REPLICA = "default", "replica"
#: Seconds between two measurements of the lag, and seconds for which a replica is not used after a failure.
CHECK_EVERY_S, RETRY_AFTER_S = 1.0, 5.0
#: Seconds after which a result is too old for requests that arrive while another thread measures.
GRACE_S = 2.0
MAX_SAMPLES = 600

_alias = ContextVar("read_alias", default=PRIMARY)


def read_alias() -> str:
    """Return the database for reads at this point: the replica inside `read_from_replica`, except in transactions."""
    return PRIMARY if connections[PRIMARY].in_atomic_block else _alias.get()


def read_connection() -> Any:
    """Return the connection for a raw SQL query that only reads."""
    return connections[read_alias()]


class ReplicaRouter:
    """Route the reads of public pages to the replica. `select_for_update()` counts as a write."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str:
        return read_alias()

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return PRIMARY

    def allow_relation(self, first: models.Model, second: models.Model, **hints: Any) -> bool:
        return True  # both databases contain the same rows

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db != REPLICA


def read_from_replica[Result](read: Callable[[], Result]) -> Result:
    """Call `read` with its queries routed to the replica, if the replica is up to date.

    If the replica fails, or does not have the requested row yet, `read` is called again with the primary, and once more
    if the connection to the primary is lost meanwhile, for example because a pooler was restarted. It must not write
    anything.
    """
    if REPLICA not in settings.DATABASES or not _status.is_usable():
        return _read_from_primary(read)
    token = _alias.set(REPLICA)
    try:
        return read()
    except Http404:
        pass  # The row may not have been replicated yet.
    except Error as error:
        if not is_outage(error):
            raise
        _status.suspend(f"a query failed ({error})")
    finally:
        _alias.reset(token)
    return _read_from_primary(read)


def _read_from_primary[Result](read: Callable[[], Result]) -> Result:
    primary = connections[PRIMARY]
    try:
        return read()
    except Error:
        if primary.in_atomic_block or primary.connection is None or not primary.connection.broken:
            raise
    primary.close()  # The pool then provides another connection.
    return read()


class LagMeter:
    """Measures how far a replica is behind, from the positions in the primary's write-ahead log.

    Each sample is a position of the primary and its time. The lag is the age of the oldest sample that the replica has
    not replayed. Unlike the time of the last replayed transaction, this is correct while nothing is written, while replay
    is paused, and while the replica is cut off from the primary.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def lag_s(self, now: float, primary_position: int | None, replayed_position: int) -> float:
        """Add a sample, and return the lag in seconds. A primary that cannot be reached adds no sample."""
        if primary_position is not None:
            self._samples.append((now, primary_position))
        if len(self._samples) > MAX_SAMPLES:
            self._samples = deque(list(self._samples)[::2])
        while self._samples and self._samples[0][1] <= replayed_position:
            self._samples.popleft()
        return now - self._samples[0][0] if self._samples and primary_position is not None else 0.0


class _Status:
    """Whether this process uses the replica. One thread at a time measures; the others use the last result."""

    def __init__(self) -> None:
        self._lock, self._meter = Lock(), LagMeter()
        self._is_usable, self._next_check_at = False, 0.0

    def is_usable(self) -> bool:
        if time.monotonic() >= self._next_check_at and self._lock.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._lock.release()
        return self._is_usable and time.monotonic() < self._next_check_at + GRACE_S

    def suspend(self, reason: str) -> None:
        """Use the primary for some seconds."""
        if self._is_usable:
            log.warning("Public pages are read from the primary, because of the replica: %s.", reason)
        self._is_usable, self._next_check_at = False, time.monotonic() + RETRY_AFTER_S

    def _check(self) -> None:
        try:
            is_replica, replayed = _query(REPLICA, "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn() - '0/0'")
        except Error as error:
            return self.suspend(f"it cannot be reached ({error})")
        if not is_replica or replayed is None:
            return self.suspend("DATABASE_REPLICA_URL is not a replica")
        lag_s = self._meter.lag_s(time.monotonic(), _primary_position(), int(replayed))
        if lag_s > settings.DATABASE_REPLICA_MAX_LAG_S:
            return self.suspend(f"it is {lag_s:.0f} s behind")
        if not self._is_usable:
            log.info("Public pages are read from the replica.")
        self._is_usable, self._next_check_at = True, time.monotonic() + CHECK_EVERY_S
        return None


def _primary_position() -> int | None:
    """Return the position of the primary's write-ahead log, or None while the primary cannot be reached."""
    try:
        [position] = _query(PRIMARY, "SELECT pg_current_wal_lsn() - '0/0'")
    except Error:
        return None
    return int(position)


def _query(alias: str, sql: str) -> tuple[Any, ...]:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        row: tuple[Any, ...] = cursor.fetchone()
        return row


_status = _Status()
