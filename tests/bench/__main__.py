"""Measure the endpoint beside its limit, in alternating rounds on the same machine, server and database.

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
class Contestant:
    """A running server, and what its rounds measured."""

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
            run_alone("tests.bench.sessions", postgres.url)
            run_alone("tests.bench.reconciliation", postgres.url)
            with (
                server("full work", "config.settings", postgres, folder) as full,
                server("verify and insert", "tests.bench.limit", postgres, folder) as limit,
            ):
                compete(full, limit, postgres)
    report(full, limit)
    subprocess.run([sys.executable, "-m", "tests.bench.directory"], check=True)
    # A server of its own, with other settings, and most of the time that everything takes.
    subprocess.run([sys.executable, "-m", "tests.bench.operators"], check=True)


def compete(full: Contestant, limit: Contestant, postgres: EmbeddedPostgres) -> None:
    """Run the rounds, the first of which only warms both up."""
    for number in range(ROUNDS + 1):
        for contestant in (full, limit) if number % 2 else (limit, full):
            messages = load.requests(
                EVENTS, seed=hash((number, contestant.port)), secret=settings.SECRET, port=contestant.port
            )
            before = cpu_seconds(contestant, postgres)
            result = load.send(messages, contestant.port)
            spent = cpu_seconds(contestant, postgres) - before
            if set(result.statuses) != {200}:
                sys.exit(f"{contestant.name} answered {dict(result.statuses)}")
            if number:
                contestant.per_second.append(result.per_second)
                contestant.cpu_ms.append(1000 * spent / len(messages))


def report(full: Contestant, limit: Contestant) -> None:
    print(f"{ROUNDS} alternating rounds of {EVENTS} events and 5 % repeats, {load.CONNECTIONS} connections, medians:\n")
    print(f"{'':20}{'events/s':>12}{'lowest':>10}{'highest':>10}{'CPU ms/event':>15}")
    for each in (full, limit):
        speeds = each.per_second
        print(
            f"{each.name:20}{statistics.median(speeds):12.0f}{min(speeds):10.0f}{max(speeds):10.0f}"
            f"{statistics.median(each.cpu_ms):15.2f}"
        )
    speed = statistics.median(full.per_second) / statistics.median(limit.per_second)
    cpu = statistics.median(limit.cpu_ms) / statistics.median(full.cpu_ms)
    print(f"\nFull work reaches {speed:.2f} of the limit in events per second, and {cpu:.2f} in CPU per event.")
    print("CPU is that of gunicorn and PostgreSQL together, without the client. The aim is 0.40.")


@contextmanager
def server(name: str, settings_module: str, postgres: EmbeddedPostgres, folder: Path) -> Iterator[Contestant]:
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
        wait_until(lambda: len(main_process.children()) == WORKERS and listens(port), f"{name} did not start")
        yield Contestant(name, port, [main_process, *main_process.children()])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(contestant: Contestant, postgres: EmbeddedPostgres) -> float:
    """Return the CPU time of the contestant and of all of PostgreSQL so far, in seconds."""
    database = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    # Backends live as long as the pools, so that none ends with its time uncounted.
    everybody = [*contestant.processes, database, *database.children(recursive=True)]
    return sum(times.user + times.system for times in (each.cpu_times() for each in everybody))


def run_alone(module: str, url: str) -> None:
    """Run one of the other benches on the same database, before the servers start."""
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-m", module], env=environ, check=True)


def migrate(url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url}
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=environ, check=True)


if __name__ == "__main__":
    main()
