"""Compare the webhook endpoint with a limit, in alternating rounds on the same machine, server and database.

The limit is the same server and middleware with only the signature check and one insert (tests.bench.baseline). PostgreSQL
commits durably (`fsync` and `synchronous_commit` on), `DEBUG` is off, and gunicorn runs as in production.
"""

import os
import socket
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.stack.postgres import EmbeddedPostgres
from tests import settings
from tests.bench import load
from tests.bench.cpu_time import cpu_seconds
from tests.helpers.servers.processes import free_port, process, wait_until

ROUNDS, EVENTS = int(os.environ.get("ROUNDS", "7")), int(os.environ.get("EVENTS", "600"))
WORKERS = 2
#: Minimum share of the limit, for events and for CPU, by number of connections.
TARGETS = {1: 0.35, 4: 0.45, 16: 0.6}
#: Minimum share of the limit for duplicates, and the maximum p99 as a multiple of p50 with 16 connections.
DUPLICATES_TARGET, MAX_P99 = 0.8, 4


@dataclass
class Measurement:
    """Rounds of one kind of request on one server."""

    per_second: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def median(self, name: str) -> float:
        return float(statistics.median(getattr(self, name)))


@dataclass
class Variant:
    """A running server and its measurements by kind of request and number of connections."""

    name: str
    port: int
    processes: list[psutil.Process]
    measured: defaultdict[tuple[str, int], Measurement] = field(default_factory=lambda: defaultdict(Measurement))


def run(
    postgres: EmbeddedPostgres, folder: Path, *, rounds: int = ROUNDS, events: int = EVENTS
) -> tuple[Variant, Variant]:
    """Measure alternating rounds, print a report, and return the results of the product and of the limit."""
    with (
        server("full processing", "config.settings", postgres, folder) as full,
        server("limit", "tests.bench.baseline", postgres, folder) as limit,
    ):
        for number in range(rounds + 1):  # the first round is a warm-up
            for variant in (full, limit) if number % 2 else (limit, full):
                for connections in TARGETS:
                    measure(variant, postgres, connections, number, events)
    report(full, limit, rounds)
    return full, limit


def measure(variant: Variant, postgres: EmbeddedPostgres, connections: int, number: int, events: int) -> None:
    """Send one round of events; with the most connections also the same events again, and unsigned requests."""
    seed = hash((number, variant.port, connections))
    similar = events * (2 + connections // 4) // 6  # so that both take about equally long
    messages = load.requests(similar, seed=seed, secret=settings.SECRET, port=variant.port)
    kinds = {"events": (messages, 200)}
    if connections == max(TARGETS):
        kinds |= {"duplicates": (messages, 200), "refused": (load.unsigned(messages), 400)}
    for kind, (sent, status) in kinds.items():
        before = spent_cpu(variant, postgres)
        result = load.send(sent, variant.port, connections)
        spent = spent_cpu(variant, postgres) - before
        if set(result.statuses) != {status}:
            sys.exit(f"{variant.name} returned {dict(result.statuses)} for {kind}")
        if number:
            measurement = variant.measured[kind, connections]
            measurement.per_second.append(result.per_second)
            measurement.cpu_ms.append(1000 * spent / len(sent))
            measurement.p50_ms.append(result.latencies_ms[len(sent) // 2])
            measurement.p99_ms.append(result.latencies_ms[len(sent) * 99 // 100])


def cpu_share(full: Variant, limit: Variant, kind: str, connections: int) -> float:
    """Return the limit's CPU time for each event as a share of the product's."""
    other = limit.measured["events" if kind == "duplicates" else kind, connections]
    return other.median("cpu_ms") / full.measured[kind, connections].median("cpu_ms")


def report(full: Variant, limit: Variant, rounds: int) -> None:
    print(f"{rounds} alternating rounds, 5 % repeats, medians. CPU time is that of gunicorn and PostgreSQL.\n")
    columns = ("events/s", "limit", "ratio", "CPU ms", "limit", "ratio", "p50 ms", "p99 ms", "p99/p50")
    print(f"{'':24}" + "".join(f"{column:>9}" for column in columns))
    for (kind, connections), own in full.measured.items():
        other = limit.measured["events" if kind == "duplicates" else kind, connections]
        speed, cpu = own.median("per_second"), own.median("cpu_ms")
        limits = other.median("per_second"), other.median("cpu_ms")
        p50, p99 = own.median("p50_ms"), own.median("p99_ms")
        values = f"{speed:9.0f}{limits[0]:9.0f}{speed / limits[0]:9.2f}{cpu:9.2f}{limits[1]:9.2f}{limits[1] / cpu:9.2f}"
        print(f"{kind + f', {connections} connections':24}{values}{p50:9.1f}{p99:9.1f}{p99 / p50:9.1f}")
    targets = ", ".join(f"{ratio} with {connections}" for connections, ratio in TARGETS.items())
    print(
        f"Targets: {targets}; duplicates {DUPLICATES_TARGET} of the limit's events; p99 at most {MAX_P99} times p50.\n"
    )


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


def spent_cpu(variant: Variant, postgres: EmbeddedPostgres) -> float:
    """Return the total CPU seconds of the variant and of PostgreSQL."""
    database = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    # Backends live as long as the connection pools, so no CPU time is lost with an ended process.
    return cpu_seconds([*variant.processes, database, *database.children(recursive=True)])
