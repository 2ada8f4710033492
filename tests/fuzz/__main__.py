"""Start PostgreSQL, load the settings, and send the requests."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import django

from local.stack.postgres import EmbeddedPostgres
from tests.plugin import SETTINGS

DEFAULT_REQUESTS = 100_000


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="buildappswith-fuzz-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder, **SETTINGS) as postgres:
            os.environ |= {"DATABASE_URL": postgres.url, "DATABASE_POOLER": "", "MEDIA_ROOT": str(folder / "media")}
            os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
            django.setup()
            from tests.fuzz.campaign import run

            return run(arguments.requests, arguments.seed, arguments.only)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Throw mutated requests at the application.")
    parser.add_argument("--requests", type=int, default=DEFAULT_REQUESTS, help="in total, over all targets")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of an earlier run, to repeat it")
    parser.add_argument("--only", metavar="TARGET[:NUMBER]", default="", help="one target, or one of its requests")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
