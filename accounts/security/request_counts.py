"""Count requests by client, so that all processes and hosts enforce a shared limit.

Each process collects a batch of a client's requests in memory before it adds them to the client's row with one upsert.
Normal use never fills a batch and therefore needs no statement. A client with many connections can exceed a limit by
less than one batch per process.
"""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import RequestCount

log = logging.getLogger(__name__)

#: Maximum number of clients that a process remembers. The least recently seen client is removed first.
MAX_CLIENTS = 20_000
# Times come from the database, because the hosts' clocks differ.
UPSERT = """
INSERT INTO accounts_requestcount AS known ("limit", client, requests, ends_at)
VALUES (%(limit)s, %(client)s, %(requests)s, clock_timestamp() + %(span)s * interval '1 second')
ON CONFLICT ("limit", client) DO UPDATE SET
    requests = CASE WHEN known.ends_at > clock_timestamp() THEN known.requests ELSE 0 END + excluded.requests,
    ends_at = CASE WHEN known.ends_at > clock_timestamp() THEN known.ends_at ELSE excluded.ends_at END
RETURNING requests, extract(epoch FROM ends_at - clock_timestamp())::float8
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of `requests` requests per client in `span_s` seconds.

    A process collects `batch` requests before it counts them.
    """

    name: str
    requests: int
    span_s: int
    batch: int = 1


@dataclass(slots=True)
class _Client:
    ends: float
    collected: int = 0
    total: int = 0


class RequestCounter:
    """Count one process's requests and add them to the shared counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: OrderedDict[tuple[str, str], _Client] = OrderedDict()

    def wait_s(self, limit: Limit, client: str) -> float:
        """Count a request, and return how many seconds the client must wait. 0 means that the request is allowed."""
        now = time.time()
        with self._lock:
            known = self._find(limit, client, now)
            if known.total > limit.requests:
                return known.ends - now
            known.collected += 1
            if known.collected < limit.batch:
                return 0
            batch, known.collected = known.collected, 0
        total, remaining_s = _add(limit, client, batch)
        with self._lock:
            known.total, known.ends = total, now + remaining_s
        return remaining_s if total > limit.requests else 0

    def _find(self, limit: Limit, client: str, now: float) -> _Client:
        key = (limit.name, client)
        known = self._clients.pop(key, None)
        if known is None or known.ends <= now:
            known = _Client(now + limit.span_s)
        self._clients[key] = known
        if len(self._clients) > MAX_CLIENTS:
            self._clients.popitem(last=False)
        return known


request_counter = RequestCounter()


def delete_expired() -> int:
    deleted, _ = RequestCount.objects.filter(ends_at__lte=timezone.now()).delete()
    return deleted


def _add(limit: Limit, client: str, batch: int) -> tuple[int, float]:
    """Add requests to the client's row, and return the total and the seconds until the time span ends.

    Requests are allowed while the database is unavailable, because the view returns a more specific error.
    """
    # Hashed, so that the table contains no personal data.
    digest = salted_hmac("accounts.request_counts", client, algorithm="sha256").hexdigest()[:32]
    values: dict[str, str | int] = {"limit": limit.name, "client": digest, "requests": batch, "span": limit.span_s}
    try:
        with connection.cursor() as cursor:
            cursor.execute(UPSERT, values)
            [(total, remaining_s)] = cursor.fetchall()
    except (DatabaseError, InterfaceError) as error:
        log.warning("A request could not be counted: %s", error, extra={"cause": "request counts"})
        return 0, limit.span_s
    return total, max(remaining_s, 0)
