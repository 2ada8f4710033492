"""Count worker starts, to detect workers that keep restarting.

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
    """The worker starts within WINDOW.

    Attributes:
        number: the number of starts.
        last_at: when the last start was detected.
        last_gap: the time between the last two detections.
        unchanged_since: when a start was last detected, also before WINDOW, or when the rules were first evaluated.
        checked_at: when the last evaluation of the rules started.
    """

    number: int
    last_at: datetime | None
    last_gap: timedelta
    unchanged_since: datetime
    checked_at: datetime | None


def record(now: datetime) -> None:
    """Store the start time of an evaluation and the latest worker ID."""
    samples, latest, _checked_at = _read()
    if not samples or samples[-1][1] != latest:
        samples.append((now, latest))
    # The newest sample before the window is the baseline.
    kept = [sample for sample, (until, _number) in pairwise(samples) if until > now - WINDOW]
    stored = [(at.isoformat(), number) for at, number in [*kept, samples[-1]]]
    AlertCheck.objects.update_or_create(pk=1, defaults={"checked_at": now, "worker_starts": stored})


def record_completion(now: datetime) -> None:
    """Store that an evaluation was completed. A job that kills its worker can do so during each evaluation."""
    AlertCheck.objects.filter(pk=1).update(completed_at=now)


def recent(now: datetime) -> WorkerStarts:
    """Return the starts within WINDOW. Executes one statement."""
    samples, latest, checked_at = _read()
    unchanged_since = samples[-1][0] if samples and samples[-1][1] == latest else now
    samples.append((now, latest))
    earlier = [number for at, number in samples if at <= now - WINDOW] or [samples[0][1]]
    changes = [at for (_, before), (at, after) in pairwise(samples) if before != after]
    # A restored database can have a lower ID.
    last_gap = changes[-1] - changes[-2] if len(changes) > 1 else timedelta(0)
    return WorkerStarts(max(latest - earlier[-1], 0), max(changes, default=None), last_gap, unchanged_since, checked_at)


def _read() -> tuple[list[tuple[datetime, int]], int, datetime | None]:
    """Return the stored samples, oldest first, the current latest worker ID, and the last evaluation time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT worker_starts, checked_at, CASE WHEN is_called THEN last_value ELSE 0 END
                FROM procrastinate_workers_id_seq LEFT JOIN webhooks_alertcheck ON webhooks_alertcheck.id = 1"""
        )
        text, checked_at, latest = cursor.fetchone()
    found = json.loads(text or "[]")
    return [(at, number) for stored, number in found if (at := parse_datetime(stored))], int(latest), checked_at
