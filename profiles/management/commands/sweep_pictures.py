"""Delete the pictures that no profile and no project refers to, as the nightly job does."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from profiles.media import orphan_cleanup


class Command(BaseCommand):
    help = "Delete uploaded pictures that are older than a day and belong to no profile and no project."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only name them")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        count = 0
        for count, name in enumerate(orphan_cleanup.delete_orphans(dry_run=dry_run), 1):  # noqa: B007  # told at the end
            self.stdout.write(name)
        self.stdout.write(f"Pictures that {'would be' if dry_run else 'were'} deleted: {count}")
