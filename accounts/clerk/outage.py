"""Detect outages of Clerk's Frontend API, so that pages do not redirect browsers to it.

A worker probes the API every 15 s, because pages must not wait for Clerk. All processes share the result as a circuit
breaker: a `ClerkRateLimit` row that exists only while probes fail and expires if no worker is running.
"""

import logging
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from accounts.clerk import instance, jwks
from accounts.clerk.rate_limiter import FRONTEND, Failure
from accounts.models import ClerkRateLimit

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0
#: A single lost request is not an outage.
ATTEMPTS = 2
#: How long the circuit stays open after the last failed probe: three probe intervals.
OPEN_FOR = timedelta(seconds=45)
#: Number of consecutive failed probes (two hours) after which the circuit closes, because the cause is probably this
#: server's network.
MAX_FAILURES = 480
#: Minimum time between two reads of the circuit in the same process.
CACHE_S = 3
CACHE_KEY = "clerk_outage"

_OPEN = """
INSERT INTO accounts_clerkratelimit AS circuit (name, next_slot_at, failures, suspended_until, failed_host, failed_with)
VALUES (%s, now(), 1, now() + %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET failures = circuit.failures + 1, suspended_until = excluded.suspended_until,
    failed_host = excluded.failed_host, failed_with = excluded.failed_with
RETURNING failures
"""


def probe() -> bool:
    """Send a handshake request to the Frontend API, record the result, and return whether it responded."""
    configured = instance.current()
    if configured is None:
        return True
    reason = ""
    for _attempt in range(ATTEMPTS):
        reason = _failure(configured.frontend_api_url)
        if not reason:
            break
    if not reason:
        if ClerkRateLimit.objects.filter(name=FRONTEND).delete()[0]:
            log.warning("Clerk's Frontend API is responding again.")
    elif _open_circuit(Failure(urlsplit(configured.frontend_api_url).hostname or "", reason)) == 1:
        log.error(
            "Clerk's Frontend API (%s) is not responding. Users whose session token has expired appear signed out on public pages.",
            configured.frontend_api_url,
        )
    return not reason


def is_known() -> bool:
    """Return whether Clerk's Frontend API is known to be down. The result is cached for CACHE_S."""
    known: bool | None = cache.get(CACHE_KEY)
    if known is None:
        open_circuits = ClerkRateLimit.objects.filter(name=FRONTEND, failures__lte=MAX_FAILURES)
        known = open_circuits.filter(suspended_until__gt=timezone.now()).exists()
        cache.set(CACHE_KEY, known, CACHE_S)
    return known


def _failure(frontend_api_url: str) -> str:
    """Return why a browser would get no response: a status code or the name of an error. Return "" if it would.

    A rejection is also a response, because the request reached Clerk.
    """
    url = f"{jwks.resolve_localhost(frontend_api_url)}/v1/client/handshake"
    try:
        response = httpx.get(url, timeout=TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        return type(error).__name__
    return str(response.status_code) if response.is_server_error else ""


def _open_circuit(failure: Failure) -> int:
    """Return the number of consecutive failed probes, including the current probe."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [FRONTEND, OPEN_FOR, *failure])  # type: ignore[list-item]  # psycopg adapts timedeltas
        [failures] = cursor.fetchone()
    return int(failures)
