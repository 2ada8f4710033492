"""Compare the webhook endpoint with a baseline, in alternating rounds on the same machine, server and database.

PostgreSQL commits durably (`fsync` and `synchronous_commit` on), `DEBUG` is off, and gunicorn runs as in production.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.stack.postgres import EmbeddedPostgres
from tests import settings
from tests.bench import load
from tests.helpers.processes import free_port, process, wait_until

ROUNDS, EVENTS = int(os.environ.get("ROUNDS", "7")), int(os.environ.get("EVENTS", "600"))
WORKERS = 2


@dataclass
class Variant:
    """A running server and its measurements."""

    name: str
    port: int
    processes: list[psutil.Process]
    per_second: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder, shared_buffers="256MB") as postgres:
            migrate(postgres.url)
            run_benchmark("tests.bench.sessions", postgres.url)
            run_benchmark("tests.bench.reconciliation", postgres.url)
            with (
                server("full processing", "config.settings", postgres, folder) as full,
                server("verify and insert", "tests.bench.baseline", postgres, folder) as baseline,
            ):
                compare(full, baseline, postgres)
    report(full, baseline)
    subprocess.run([sys.executable, "-m", "tests.bench.directory"], check=True)
    # This benchmark uses a separate PostgreSQL with other settings, and takes longer than all others together.
    subprocess.run([sys.executable, "-m", "tests.bench.operators"], check=True)


def compare(full: Variant, baseline: Variant, postgres: EmbeddedPostgres) -> None:
    """Run the rounds. The first round is a warm-up and is not measured."""
    for number in range(ROUNDS + 1):
        for variant in (full, baseline) if number % 2 else (baseline, full):
            messages = load.requests(
                EVENTS, seed=hash((number, variant.port)), secret=settings.SECRET, port=variant.port
            )
            before = cpu_seconds(variant, postgres)
            result = load.send(messages, variant.port)
            spent = cpu_seconds(variant, postgres) - before
            if set(result.statuses) != {200}:
                sys.exit(f"{variant.name} returned {dict(result.statuses)}")
            if number:
                variant.per_second.append(result.per_second)
                variant.cpu_ms.append(1000 * spent / len(messages))


def report(full: Variant, baseline: Variant) -> None:
    print(f"{ROUNDS} alternating rounds of {EVENTS} events and 5% repeats, {load.CONNECTIONS} connections, medians:\n")
    print(f"{'':20}{'events/s':>12}{'lowest':>10}{'highest':>10}{'CPU ms/event':>15}")
    for variant in (full, baseline):
        speeds = variant.per_second
        print(
            f"{variant.name:20}{statistics.median(speeds):12.0f}{min(speeds):10.0f}{max(speeds):10.0f}"
            f"{statistics.median(variant.cpu_ms):15.2f}"
        )
    speed = statistics.median(full.per_second) / statistics.median(baseline.per_second)
    cpu = statistics.median(baseline.cpu_ms) / statistics.median(full.cpu_ms)
    print(
        f"\nFull processing reaches {speed:.2f} of the baseline in events per second, and {cpu:.2f} in CPU per event."
    )
    print("CPU time is the sum of gunicorn and PostgreSQL, without the client. The target is 0.40.")


@contextmanager
def server(name: str, settings_module: str, postgres: EmbeddedPostgres, folder: Path) -> Iterator[Variant]:
    port = free_port()
    environ = {
        "DJANGO_SETTINGS_MODULE": settings_module,
        "PORT": str(port),
        "WEB_CONCURRENCY": str(WORKERS),
        "STATIC_ROOT": str(folder),
    }
    command = ["-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    with process(command, postgres.url, folder / "gunicorn.txt", **environ) as running:
        main_process = psutil.Process(running.pid)
        wait_until(lambda: len(main_process.children()) == WORKERS and is_listening(port), f"{name} did not start")
        yield Variant(name, port, [main_process, *main_process.children()])


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(variant: Variant, postgres: EmbeddedPostgres) -> float:
    """Return the total CPU time of the variant and of PostgreSQL."""
    database = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    # Backends exist as long as the connection pools, so the CPU time of all processes is included.
    processes = [*variant.processes, database, *database.children(recursive=True)]
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def run_benchmark(module: str, url: str) -> None:
    """Run another benchmark on the same database, before the servers start."""
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-m", module], env=environ, check=True)


def migrate(url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, check=True)


if __name__ == "__main__":
    main()
