"""Run a cluster on this machine, or test it.

make cluster                      # run it, and print the URL
make cluster ARGS=--test          # prove that it loses nothing, in about three minutes; needs Chromium
make cluster ARGS=--short         # without the restore and the upgrade
make cluster ARGS=--journeys      # run the browser journeys against it, with the stand-in for Clerk; needs Chromium
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import django

DEFAULT_PORT = 8443


def main() -> int:
    arguments = parse_arguments()
    port = int(os.environ.get("PORT") or DEFAULT_PORT)  # the test settings clear the variable
    folder = Path(tempfile.mkdtemp(prefix="buildappswith-cluster-"))
    os.environ |= {"DATABASE_URL": "postgresql://nobody@/nothing?host=/nowhere", "DATABASE_POOLER": ""}
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    if arguments.journeys:
        exit_code = journeys(folder)
    elif arguments.test or arguments.short:
        exit_code = test(folder, is_short=arguments.short)
    else:
        exit_code = run(folder, port)
    if exit_code:
        print(f"Logs: {folder}")
    else:
        shutil.rmtree(folder)
    return exit_code


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make cluster", description="Run or test a site on several hosts.")
    parser.add_argument("--test", action="store_true", help="run all proofs")
    parser.add_argument("--short", action="store_true", help="run the proofs without the restore and the upgrade")
    parser.add_argument("--journeys", action="store_true", help="run the browser journeys through the TLS edge")
    return parser.parse_args()


def run(folder: Path, port: int) -> int:
    """Keep the cluster running until a stop signal arrives."""
    from tests.cluster.cluster import running_cluster

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_cluster(folder, port) as cluster:
            print(
                f"The site is at {cluster.url}/ with a self-signed certificate. Logs are in {folder}. Stop with Ctrl-C.",
                flush=True,
            )
            while True:
                cluster.supervise(60)
    except KeyboardInterrupt:
        print("Everything is stopped, and the data is deleted.")
    return 0


def test(folder: Path, *, is_short: bool) -> int:
    from tests.cluster.proofs import run_proofs

    return run_proofs(folder, is_short=is_short)


def journeys(folder: Path) -> int:
    from tests.cluster.journeys import run_journeys

    return run_journeys(folder)


if __name__ == "__main__":
    sys.exit(main())
