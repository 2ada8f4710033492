"""Measure the size of the inbox and the cost of new events while it grows: `python -m tests.bench.sizes`.

The events are those of tests.bench.operators. It needs 20 GB of disk space and about five minutes. docs/deploy/scale.md
contains one run.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

import psycopg
from psycopg.abc import Params

from local.stack.postgres import EmbeddedPostgres
from tests.bench.databases import migrate
from tests.bench.operators import BATCH_SIZE, EVENTS

SIZES = (250_000, 1_000_000, 4_000_000, 10_000_000)
#: New events and repeats that are measured at each size.
SAMPLE = 2_000
#: A repeated delivery, as in webhooks.models.events.COUNT_REPEATS.
REPEAT = """
UPDATE webhooks_webhookevent SET deliveries = deliveries + 1, last_delivery_at = now()
WHERE svix_id = 'msg_' || to_char(%(number)s, 'FM0000000000') || left(md5(%(number)s::text), 17)
"""
#: Bytes per row of the table with its payloads, and of its indexes.
BYTES = """
SELECT pg_table_size('webhooks_webhookevent') / count(*), pg_indexes_size('webhooks_webhookevent') / count(*)
FROM webhooks_webhookevent
"""
LARGEST_INDEXES = """
SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes
WHERE relname = 'webhooks_webhookevent' ORDER BY 2 DESC LIMIT 4
"""

type Connection = psycopg.Connection[tuple[float, ...]]


def main() -> None:
    options: dict[str, str | int] = {"fsync": "off", "max_wal_size": "2GB"}
    with (
        tempfile.TemporaryDirectory(prefix="buildappswith-sizes-") as name,
        EmbeddedPostgres(Path(name), **options) as postgres,
    ):
        migrate(postgres.url)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("SET statement_timeout = 0")
            _measure_all(connection)


def _measure_all(connection: Connection) -> None:
    print("| Events | Table | Indexes | New event, median and 99 % | Repeat, median | VACUUM |")
    stored = 0
    for size in SIZES:
        fill(connection, stored + 1, size)
        stored = size + SAMPLE
        print(f"| {size:,} | {measure(connection, size)} |", flush=True)
    for name, total in connection.execute(LARGEST_INDEXES):
        print(f"{name}: {total / stored:.0f} bytes per row")


def fill(connection: Connection, first: int, last: int) -> None:
    for start in range(first, last + 1, BATCH_SIZE):
        end = min(start + BATCH_SIZE - 1, last)
        connection.execute(EVENTS, {"events": 2 * SIZES[-1], "first": start, "last": end})
        print(f"{end:9} events", file=sys.stderr)


def measure(connection: Connection, size: int) -> str:
    """Return the columns of the table for the current size. Each statement is a transaction."""
    vacuum_s = _seconds(connection, "VACUUM (ANALYZE) webhooks_webhookevent")
    table, indexes = connection.execute(BYTES).fetchone() or (0, 0)
    random = Random(size)
    new = [
        _seconds(connection, EVENTS, {"events": 2 * SIZES[-1], "first": number, "last": number})
        for number in range(size + 1, size + SAMPLE + 1)
    ]
    repeats = [_seconds(connection, REPEAT, {"number": random.randint(1, size)}) for _ in range(SAMPLE)]
    slow = statistics.quantiles(new, n=100)[-1]
    return (
        f"{table:.0f} bytes | {indexes:.0f} bytes | {1000 * statistics.median(new):.2f} and {1000 * slow:.1f} ms | "
        f"{1000 * statistics.median(repeats):.2f} ms | {vacuum_s:.0f} s"
    )


def _seconds(connection: Connection, statement: str, parameters: Params | None = None) -> float:
    started = time.perf_counter()
    connection.execute(statement.encode(), parameters)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
