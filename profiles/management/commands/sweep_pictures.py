"""Delete unreferenced images. The nightly job does the same."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from profiles.media import orphan_cleanup


class Command(BaseCommand):
    help = "Delete uploaded images that are older than a day and belong to no profile or project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="list the images without deleting them")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        count = 0
        for count, name in enumerate(orphan_cleanup.delete_orphans(dry_run=dry_run), 1):  # noqa: B007  # printed after the loop
            self.stdout.write(name)
        self.stdout.write(f"Images {'to delete' if dry_run else 'deleted'}: {count}")
