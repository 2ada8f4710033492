"""Run all benchmarks, webhooks first. With `--ci`, compare a few ratios with limits, which takes about 90 seconds."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from local.stack.postgres import EmbeddedPostgres
from tests.bench import ci, webhooks
from tests.bench.databases import create, migrate

#: Each of these needs an empty database, because rows from another benchmark would change its results.
MODULES = ("statements", "sessions", "replays", "reconciliation")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--ci", action="store_true", help="compare a few ratios with bounds")
    parser.add_argument("--events", type=int, default=10_000, help="events to replay")
    parser.add_argument("--people", type=int, default=100_000, help="users to reconcile")
    options = parser.parse_args()
    if options.ci:
        sys.exit(ci.main())
    os.environ |= {"REPLAYED": str(options.events), "PEOPLE": str(options.people)}
    run_all()


def run_all() -> None:
    with tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder, shared_buffers="256MB") as postgres:
            migrate(postgres.url)
            webhooks.run(postgres, folder)
            for module in MODULES:
                run_benchmark(f"tests.bench.{module}", create(postgres.url, module))
    # Each starts a separate PostgreSQL. The last takes longer than all others together.
    modules = ("pages", "directory", "operators")
    codes = [
        subprocess.run([sys.executable, "-m", f"tests.bench.{module}"], check=False).returncode for module in modules
    ]
    sys.exit(max(codes))  # a page over its limit does not stop the other benchmarks


def run_benchmark(module: str, url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-m", module], env=environ, check=True)


if __name__ == "__main__":
    main()
