"""manage.py archive_events: copy old events to a file, and delete them from the database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.english import counted
from webhooks.payloads import archive
from webhooks.payloads.archive import NotArchivedError


class Command(BaseCommand):
    help = (
        "Copy old events and their attempts to a compressed file with one JSON object per line, and compare the file with the "
        "database. With --delete, the events are deleted afterwards."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--before", required=True, type=_date, help="archive events received before this day, in UTC"
        )
        parser.add_argument("--to", required=True, type=Path, help="the new file, such as events-2025.jsonl.gz")
        parser.add_argument("--delete", action="store_true", help="delete the events after the file has been verified")

    def handle(self, *, before: datetime, to: Path, delete: bool, **options: Any) -> None:
        try:
            written = archive.write(to, before)
            events = counted(written.events, "event")
            self.stdout.write(f"Wrote {events} to {to}, and verified the file. SHA-256: {written.sha256}")
            if delete:
                self.stdout.write(f"Deleted {counted(archive.delete(written), 'event')}.")
        except (NotArchivedError, OSError) as error:
            raise CommandError(str(error)) from None


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
