"""Rate limit and circuit breaker for requests to Clerk, shared by all processes.

The state is stored in PostgreSQL, in one row for the instance and one row for each user whose metadata was written
recently. Acquiring a permit takes one statement, which is committed before the request is sent. The limit uses the GCRA
algorithm: each request moves `next_slot_at` forward by one interval, and a request may be sent up to one burst ahead of
it. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from accounts.models import ClerkRateLimit

#: The window for Clerk's limits. https://clerk.com/docs/guides/how-clerk-works/system-limits
WINDOW_S = 10.0
#: Requests per window for production instances, development instances, and one user's metadata.
MAX_PRODUCTION_REQUESTS, MAX_DEVELOPMENT_REQUESTS, MAX_METADATA_REQUESTS = 1000, 100, 10
#: Invitations have a limit of their own, per hour.
MAX_INVITATIONS, INVITATION_WINDOW_S = 100, 3600.0
#: Fraction of a window's requests that may be sent at once. The rest are spread out, so that no window exceeds the
#: limit.
BURST = 0.1
#: Number of consecutive failures that opens the circuit. It stays open for 5 s, then 10 s, 20 s and so on, up to five
#: minutes.
FAILURE_THRESHOLD = 5
MIN_SUSPENSION_S, MAX_SUSPENSION_S = 5.0, 300.0
#: After a suspension, one request probes Clerk. Other requests wait this long for the result.
PROBE_S = 15.0
INSTANCE = "instance"
#: The circuit for the Frontend API. See accounts.clerk.outage.
FRONTEND = "frontend"
INVITATIONS = "invitations"

_ACQUIRE = """
INSERT INTO accounts_clerkratelimit AS bucket (name, next_slot_at, failures)
VALUES (%(name)s, clock_timestamp() + %(interval)s, 0)
ON CONFLICT (name) DO UPDATE SET
    next_slot_at = greatest(bucket.next_slot_at, clock_timestamp()) + %(interval)s,
    suspended_until = CASE WHEN bucket.failures >= %(threshold)s THEN clock_timestamp() + %(probe)s END
WHERE coalesce(bucket.suspended_until <= clock_timestamp(), true)
  AND bucket.next_slot_at - clock_timestamp() <= %(burst)s + %(max_wait)s
RETURNING extract(epoch FROM next_slot_at - %(interval)s - %(burst)s - clock_timestamp())::float,
    failures, refused_at IS NOT NULL, slow_requests
"""
_RECORD_FAILURE = """
UPDATE accounts_clerkratelimit SET
    failures = failures + 1, failed_host = %(host)s, failed_with = %(reason)s,
    slow_requests = slow_requests + %(slow)s,
    suspended_until = CASE WHEN failures + 1 >= %(threshold)s
        THEN clock_timestamp()
            + least(%(min)s::float * 2 ^ least(failures + 1 - %(threshold)s, 10), %(max)s) * interval '1 s'
    END
WHERE name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Permit:
    """A permit to send one request.

    Attributes:
        failures: consecutive failures before this request.
        was_refused: whether Clerk rejected the previous request's secret key.
        slow_requests: slow requests since the last quick answer.
    """

    failures: int
    was_refused: bool = False
    slow_requests: int = 0


class Failure(NamedTuple):
    """The host of a failed request, and its status code or the name of the error."""

    host: str
    reason: str


def acquire(name: str = INSTANCE, *, max_wait_s: float) -> Permit | None:
    """Wait for a permit and return it. Return None if the circuit is open or the wait would exceed `max_wait_s`.

    Args:
        name: `INSTANCE`, `INVITATIONS`, or the Clerk ID of the user whose metadata will be written.

    Raises:
        RuntimeError: called inside a transaction. The row lock would then block all other processes.
    """
    found = _acquire(name, max_wait_s)
    if found is None:
        return None
    wait_s, failures, was_refused, slow_requests = found
    if wait_s > 0:
        time.sleep(wait_s)
    return Permit(failures, was_refused, slow_requests)


def record_success(permit: Permit, *, is_slow: bool = False) -> None:
    if permit.failures or permit.was_refused or permit.slow_requests or is_slow:
        _record_answer(is_slow=is_slow, refused_at=None)


def record_refusal(failure: Failure, *, is_slow: bool = False) -> None:
    """Record that Clerk responded but rejected the secret key or the account."""
    since = Coalesce("refused_at", Now())
    _record_answer(is_slow=is_slow, refused_at=since, failed_host=failure.host, failed_with=failure.reason)


def record_failure(failure: Failure, *, is_slow: bool = False) -> None:
    """Count a request that got no response or a server error from Clerk, and open the circuit if needed."""
    values: dict[str, Any] = {
        "name": INSTANCE,
        "host": failure.host,
        "reason": failure.reason,
        "slow": int(is_slow),
        "threshold": FAILURE_THRESHOLD,
        "min": MIN_SUSPENSION_S,
        "max": MAX_SUSPENSION_S,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_FAILURE, values)


def record_probe() -> None:
    ClerkRateLimit.objects.filter(name=INSTANCE).update(probed_at=timezone.now())


def pause(delay_s: float) -> None:
    """Delay all requests by Clerk's Retry-After. Clerk also counts the requests of other programs."""
    later = timezone.now() + timedelta(seconds=delay_s)
    ClerkRateLimit.objects.filter(name=INSTANCE, next_slot_at__lt=later).update(next_slot_at=later)


def delete_idle() -> int:
    """Delete rows of users whose metadata was not written within the window, and return how many were deleted."""
    idle = timezone.now() - timedelta(seconds=WINDOW_S)
    deleted, _ = ClerkRateLimit.objects.filter(next_slot_at__lt=idle).exclude(name__in=[INSTANCE, FRONTEND]).delete()
    return deleted


class Pace(NamedTuple):
    """How many requests may be sent at once, and the seconds until each further request."""

    burst: int
    interval_s: float


def pace(name: str) -> Pace:
    limit = requests_per_window(name)
    burst = max(1, round(limit * BURST))
    return Pace(burst, (INVITATION_WINDOW_S if name == INVITATIONS else WINDOW_S) / (limit - burst))


def requests_per_window(name: str) -> int:
    if name != INSTANCE:
        return MAX_INVITATIONS if name == INVITATIONS else MAX_METADATA_REQUESTS
    is_production = settings.CLERK_SECRET_KEY.startswith("sk_live_")
    return MAX_PRODUCTION_REQUESTS if is_production else MAX_DEVELOPMENT_REQUESTS


def _record_answer(*, is_slow: bool, **values: Any) -> None:
    slow_requests = F("slow_requests") + 1 if is_slow else 0
    found = ClerkRateLimit.objects.filter(name=INSTANCE)
    found.update(failures=0, suspended_until=None, slow_requests=slow_requests, **values)


def _acquire(name: str, max_wait_s: float) -> tuple[float, int, bool, int] | None:
    """Reserve the next slot. Return the seconds until the slot, and the values of a permit."""
    burst, interval_s = pace(name)
    interval = timedelta(seconds=interval_s)
    values: dict[str, Any] = {
        "name": name,
        "threshold": FAILURE_THRESHOLD,
        "probe": timedelta(seconds=PROBE_S),
        "interval": interval,
        "burst": interval * (burst - 1),
        "max_wait": timedelta(seconds=max_wait_s),
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_ACQUIRE, values)
        found: tuple[float, int, bool, int] | None = cursor.fetchone()
        return found
