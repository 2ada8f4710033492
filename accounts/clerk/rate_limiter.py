"""What all processes share about asking Clerk: how fast they may, and whether there is any point in it.

Both are kept in PostgreSQL, in one row for the instance and one for each user whose metadata was written lately. Taking a
turn is one statement, and is committed before the request is made.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import ClerkRateLimit

#: Clerk's window. https://clerk.com/docs/guides/how-clerk-works/system-limits
WINDOW_S = 10.0
#: Requests per window for one instance, and for the metadata of one user.
PRODUCTION, DEVELOPMENT, METADATA = 1000, 100, 10
#: The share of a window's requests that may be made at once; the rest is spread, so that no window holds more than all.
BURST = 0.1
#: After so many failures in a row Clerk is left alone: 5 s, then 10, then 20, and at last five minutes at a time.
FAILURES = 5
FIRST_REST_S, LONGEST_REST_S = 5.0, 300.0
#: How long others wait for the outcome of the one request that tries whether Clerk is back.
TRIAL_S = 15.0
INSTANCE = "instance"

_TAKE = """
INSERT INTO accounts_clerkratelimit AS bucket (name, next_slot_at, failures)
VALUES (%(name)s, clock_timestamp() + %(interval)s, 0)
ON CONFLICT (name) DO UPDATE SET
    next_slot_at = greatest(bucket.next_slot_at, clock_timestamp()) + %(interval)s,
    suspended_until = CASE WHEN bucket.failures >= %(failures)s THEN clock_timestamp() + %(trial)s END
WHERE coalesce(bucket.suspended_until <= clock_timestamp(), true)
  AND bucket.next_slot_at - clock_timestamp() <= %(burst)s + %(patience)s
RETURNING extract(epoch FROM next_slot_at - %(interval)s - %(burst)s - clock_timestamp())::float, failures
"""
_FAILED = """
UPDATE accounts_clerkratelimit SET
    failures = failures + 1,
    suspended_until = CASE WHEN failures + 1 >= %(failures)s
        THEN clock_timestamp() + least(%(first)s::float * 2 ^ least(failures + 1 - %(failures)s, 10), %(longest)s) * interval '1 s'
    END
WHERE name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to make one request.

    Attributes:
        failures: requests that failed in a row just before it.
    """

    failures: int


def acquire(name: str = INSTANCE, *, patience_s: float) -> Permit | None:
    """Wait for a turn, and return it; None if Clerk is left alone now, or it would take longer than `patience_s`.

    Args:
        name: whose limit: `INSTANCE`, or the Clerk id of the user whose metadata is to be written.

    Raises:
        RuntimeError: it was called inside a transaction, which would make every other process wait for its end.
    """
    found = _acquire(name, patience_s)
    if found is None:
        return None
    wait_s, failures = found
    if wait_s > 0:
        time.sleep(wait_s)
    return Permit(failures)


def record_success(permit: Permit) -> None:
    """Take note that Clerk answered."""
    if permit.failures:
        ClerkRateLimit.objects.filter(name=INSTANCE).update(failures=0, suspended_until=None)


def record_failure() -> None:
    """Take note that Clerk did not answer, or with an error of its own; leave it alone after several in a row."""
    values: dict[str, Any] = {"name": INSTANCE, "failures": FAILURES, "first": FIRST_REST_S, "longest": LONGEST_REST_S}
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, values)


def pause(pause_s: float) -> None:
    """Hold everybody back for as long as Clerk asked, which counts requests of other programs, too."""
    later = timezone.now() + timedelta(seconds=pause_s)
    ClerkRateLimit.objects.filter(name=INSTANCE, next_slot_at__lt=later).update(next_slot_at=later)


def delete_idle() -> int:
    """Delete the rows of users whose metadata was not written lately; return how many."""
    idle = timezone.now() - timedelta(seconds=WINDOW_S)
    deleted, _ = ClerkRateLimit.objects.filter(next_slot_at__lt=idle).exclude(name=INSTANCE).delete()
    return deleted


def requests_per_window(name: str) -> int:
    """Return how many requests Clerk takes in a window."""
    if name != INSTANCE:
        return METADATA
    return PRODUCTION if settings.CLERK_SECRET_KEY.startswith("sk_live_") else DEVELOPMENT


def _acquire(name: str, patience_s: float) -> tuple[float, int] | None:
    """Take the next turn in one statement; return the seconds until it, and the failures before it."""
    limit = requests_per_window(name)
    burst = max(1, round(limit * BURST))
    values: dict[str, Any] = {
        "name": name,
        "failures": FAILURES,
        "trial": timedelta(seconds=TRIAL_S),
        "interval": timedelta(seconds=WINDOW_S / (limit - burst)),
        "burst": timedelta(seconds=WINDOW_S / (limit - burst) * (burst - 1)),
        "patience": timedelta(seconds=patience_s),
    }
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        found: tuple[float, int] | None = cursor.fetchone()
        return found
