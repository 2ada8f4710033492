"""Deliver events to a site while its parts fail, and check the result.

make faults                                                 # 50,000 events in about ten minutes
make faults ARGS="--events=1500 --rate=40 --seed=7"         # about 90 seconds, each fault once, in a known order
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from local.stack.postgres import EmbeddedPostgres

DEFAULT_EVENTS, EVENTS_PER_S = 50_000, 100
#: Megabytes of the database's file system, and per 1,000 events.
DISK_MB, DISK_MB_PER_1000 = 1200, 30


def main() -> int:
    arguments = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="buildappswith-faults-"))
    with small_disk(folder / "disk", DISK_MB + DISK_MB_PER_1000 * arguments.events // 1000) as (disk, is_small):
        os.environ |= {"DATABASE_URL": EmbeddedPostgres(disk).url, "DATABASE_POOLER": "", "MEDIA_ROOT": str(folder)}
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        django.setup()
        from tests.faults.campaign import run

        exit_code = run(arguments, folder, disk, is_small_disk=is_small)
    if exit_code:
        print(f"Logs: {folder}")
    else:
        shutil.rmtree(folder)
    return exit_code


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make faults", description="Deliver events while parts of the site fail.")
    parser.add_argument("--events", type=int, default=DEFAULT_EVENTS, help="number of different events")
    parser.add_argument("--rate", type=float, default=EVENTS_PER_S, help="new events per second")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of an earlier run, to repeat its faults")
    return parser.parse_args()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[tuple[Path, bool]]:
    """Yield a folder for the database, and whether it is a small file system of its own. Only root can mount one."""
    folder.mkdir(mode=0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "faults", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield folder, is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


if __name__ == "__main__":
    sys.exit(main())
