"""Count worker starts, to detect workers that keep crashing.

A worker sends heartbeats as soon as it starts, so a worker that crashes every few seconds still appears to be running.
Each start assigns the next worker ID. Each evaluation of the alert rules stores the latest ID, and the difference
between two IDs is the number of starts.
"""

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from django.db import connection
from django.utils.dateparse import parse_datetime

from webhooks.models import AlertCheck

WINDOW = timedelta(minutes=10)


class WorkerStarts(NamedTuple):
    """The number of worker starts within WINDOW, and when the last start was detected."""

    number: int = 0
    last_at: datetime | None = None


def record(now: datetime) -> None:
    """Store the evaluation time and the latest worker ID."""
    samples, latest = _read()
    if not samples or samples[-1][1] != latest:
        samples.append((now, latest))
    # The newest sample before the window is the baseline.
    kept = [sample for sample, (until, _number) in pairwise(samples) if until > now - WINDOW]
    stored = [(at.isoformat(), number) for at, number in [*kept, samples[-1]]]
    AlertCheck.objects.update_or_create(pk=1, defaults={"checked_at": now, "worker_starts": stored})


def recent(now: datetime) -> WorkerStarts:
    """Return the starts within WINDOW. Executes one statement."""
    samples, latest = _read()
    samples.append((now, latest))
    earlier = [number for at, number in samples if at <= now - WINDOW] or [samples[0][1]]
    changes = [at for (_, before), (at, after) in pairwise(samples) if before != after]
    # A restored database can have a lower ID.
    return WorkerStarts(max(latest - earlier[-1], 0), max(changes, default=None))


def _read() -> tuple[list[tuple[datetime, int]], int]:
    """Return the stored samples, oldest first, and the current latest worker ID."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT (SELECT worker_starts FROM webhooks_alertcheck WHERE id = 1),
                CASE WHEN is_called THEN last_value ELSE 0 END FROM procrastinate_workers_id_seq"""
        )
        text, latest = cursor.fetchone()
    found = json.loads(text or "[]")
    return [(at, number) for stored, number in found if (at := parse_datetime(stored))], int(latest)
