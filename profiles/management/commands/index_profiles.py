"""Work out again what the directory knows of every builder: after the score, the rates or the folding changed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from tqdm import tqdm

from profiles.directory import indexing


class Command(BaseCommand):
    help = "Index every builder's profile again, in small batches, beside everything else that goes on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after",
            type=int,
            default=0,
            metavar="ID",
            help="go on after this profile, which an interrupted run named",
        )

    def handle(self, *, after: int, **options: Any) -> None:
        done = 0
        # On a terminal only: a log wants the end.
        with tqdm(unit=" profiles", disable=None) as bar:
            try:
                for batch in indexing.batches(after):
                    indexing.index_profiles(batch)
                    after, done = batch[-1], done + len(batch)
                    bar.update(len(batch))
            except KeyboardInterrupt:
                self.stdout.write(f"Interrupted after {done} profiles; go on with --after {after}")
                return
        self.stdout.write(f"{done} profiles were indexed.")
