"""Recompute all builders' search columns, for example after the scoring or the exchange rates have changed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from core.english import counted
from profiles.directory import indexing


class Command(BaseCommand):
    help = "Recompute all builder profiles' search columns in small batches. You can run it while the site is in use."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after",
            type=int,
            default=0,
            metavar="ID",
            help="continue after this profile id, as printed by an interrupted run",
        )

    def handle(self, *, after: int, **options: Any) -> None:
        done = outdated = 0
        # disable=None shows the progress bar only on a terminal.
        with tqdm(unit=" profiles", disable=None) as bar:
            try:
                for batch in indexing.batches(after):
                    outdated += indexing.repair_index(batch)
                    after, done = batch[-1], done + len(batch)
                    bar.update(len(batch))
            except KeyboardInterrupt:
                self.stdout.write(f"Interrupted after {counted(done, 'profile')}. Continue with --after {after}.")
                return
        self.stdout.write(f"Indexed {counted(done, 'profile')}. Outdated: {outdated}.")
