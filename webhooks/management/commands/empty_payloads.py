"""manage.py empty_payloads: what the nightly job does, now, or only what it would do."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webhooks.payloads import retention


class Command(BaseCommand):
    """Empty the payloads of events that are older than PAYLOAD_RETENTION_DAYS."""

    help = "Empty the payloads of events older than PAYLOAD_RETENTION_DAYS; everything else of them stays."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --dry-run."""
        parser.add_argument("--dry-run", action="store_true", help="only say how many would go")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        """Say how many payloads went, or would."""
        when = f"received before {retention.cutoff():%Y-%m-%d %H:%M} UTC"
        if dry_run:
            self.stdout.write(f"{retention.would_empty()} payloads of events {when} would be emptied.")
        else:
            self.stdout.write(f"{retention.empty_payloads()} payloads of events {when} were emptied.")
