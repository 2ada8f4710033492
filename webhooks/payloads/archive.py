"""Copy old events to a file, verify the file, and delete the events from the database.

An event row also detects that Svix delivers the event again. Svix can do so for 90 days, so only older events can be
deleted. The hourly counts, the audit log and the users are kept.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from core.english import counted
from webhooks.models import WebhookEvent

BATCH_SIZE = 1000
#: Svix keeps messages for this long, and can send them again.
RESEND_DAYS = 90
#: One JSON object per event, with its attempts. The text is also used to find changes of the row.
ROW_SQL = """
    (to_jsonb(event) || jsonb_build_object('attempts', coalesce((
        SELECT jsonb_agg(to_jsonb(attempt) ORDER BY attempt.number) FROM webhooks_attempt attempt
        WHERE attempt.event_id = event.id
    ), '[]')))::text
"""
NEXT_ROWS = f"""
SELECT event.id, event.received_at, {ROW_SQL} FROM webhooks_webhookevent event
WHERE event.received_at >= %(at)s AND event.received_at < %(before)s AND (event.received_at, event.id) > (%(at)s, %(id)s)
ORDER BY event.received_at, event.id LIMIT %(limit)s
"""  # noqa: S608  # constants
LOCKED_ROWS = f"SELECT {ROW_SQL} FROM webhooks_webhookevent event WHERE id = ANY(%s) FOR UPDATE OF event"  # noqa: S608
EARLIEST = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class NotArchivedError(Exception):
    """Nothing was deleted, or the rest was not deleted. The message contains the reason and the next action."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A file with events that has been compared with the database."""

    path: Path
    events: int
    sha256: str


def latest_cutoff() -> datetime:
    """Return the time before which events can be archived: their payloads are empty, and Svix cannot send them again."""
    return timezone.now() - timedelta(days=max(RESEND_DAYS, settings.PAYLOAD_RETENTION_DAYS))


def write(path: Path, before: datetime) -> Archive:
    """Write all events that were received before a time to a new file, and verify it.

    Raises:
        NotArchivedError: an event must be kept, or the file is damaged.
        OSError: the file exists, or the disk is full.
    """
    _check(before)
    number = _write_lines(path, before)
    expected, digest = _read_digest(_rows(before)), _read_digest(_lines(path))
    if expected != digest:
        raise NotArchivedError(f"{path} differs from the database. Nothing was deleted. Archive to a new file.")
    return Archive(path, number, digest)


def delete(archive: Archive) -> int:
    """Delete the events of a verified archive that have not changed since. Return their number.

    Raises:
        NotArchivedError: an event has changed. The earlier batches are deleted.
    """
    deleted = 0
    for lines in batched(_lines(archive.path), BATCH_SIZE, strict=False):
        deleted += _delete_batch(lines)
    return deleted


def _check(before: datetime) -> None:
    if before > (latest := latest_cutoff()):
        raise NotArchivedError(
            f"Svix can send events again for {RESEND_DAYS} days, and payloads are kept for "
            f"{counted(settings.PAYLOAD_RETENTION_DAYS, 'day')}. Choose a date before {latest:%Y-%m-%d}."
        )
    if unsettled := WebhookEvent.objects.unsettled().filter(received_at__lt=before).count():
        raise NotArchivedError(f"Failed or dead events of this period: {unsettled}. Replay or discard them first.")


def _write_lines(path: Path, before: datetime) -> int:
    number = 0
    with _new_file(path) as raw, gzip.open(raw, "wt", encoding="utf-8") as file:
        for line in _rows(before):
            file.write(f"{line}\n")
            number += 1
    return number


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """Create a file that only its owner can read, and store it on the disk at the end."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _rows(before: datetime) -> Iterator[str]:
    """Yield the events as JSON, in the order of their receipt. Each batch is a short statement."""
    position: dict[str, Any] = {"at": EARLIEST, "id": 0, "before": before, "limit": BATCH_SIZE}
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NEXT_ROWS, position)
            found = cursor.fetchall()
        if not found:
            return
        yield from (line for _pk, _at, line in found)
        position |= {"id": found[-1][0], "at": found[-1][1]}


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n") for line in file)
    except (EOFError, gzip.BadGzipFile) as error:
        raise NotArchivedError(f"{path} is damaged: {error}. Nothing was deleted. Archive to a new file.") from None


def _read_digest(lines: Iterator[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


@transaction.atomic
def _delete_batch(lines: tuple[str, ...]) -> int:
    ids = [json.loads(line)["id"] for line in lines]
    with connection.cursor() as cursor:
        cursor.execute(LOCKED_ROWS, [ids])
        if {line for (line,) in cursor.fetchall()} != set(lines):
            raise NotArchivedError(
                "An event has changed since it was archived, so it was not deleted. Archive to a new file."
            )
        cursor.execute("DELETE FROM webhooks_attempt WHERE event_id = ANY(%s)", [ids])
        cursor.execute("DELETE FROM webhooks_webhookevent WHERE id = ANY(%s)", [ids])
    return len(ids)
