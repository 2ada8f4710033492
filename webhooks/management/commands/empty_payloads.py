"""manage.py empty_payloads: delete old payloads now, or show how many would be deleted."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.english import counted
from webhooks.payloads import retention


class Command(BaseCommand):
    help = "Empty the payloads of events older than PAYLOAD_RETENTION_DAYS. The events themselves are kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only print how many payloads would be emptied")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        when = f"received before {retention.cutoff():%Y-%m-%d %H:%M} UTC"
        action, number = (
            ("Would empty", retention.count_expired()) if dry_run else ("Emptied", retention.empty_payloads())
        )
        self.stdout.write(f"{action} {counted(number, 'payload')} of events {when}.")
