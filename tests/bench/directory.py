"""Compare the directory's pages with ten thousand and with a million builders, over HTTP.

    python -m tests.bench.directory

One PostgreSQL has two databases. A gunicorn with one worker serves each, and one client sends alternating requests over
keep-alive connections. Seeding takes a few minutes and needs 12 GB of disk space, which is freed at the end.
"""

import http.client
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg

from local.stack.postgres import EmbeddedPostgres
from tests.helpers.servers.processes import gunicorn
from tests.settings import ENVIRONMENT

ROUNDS, REQUESTS = int(os.environ.get("ROUNDS", "9")), int(os.environ.get("REQUESTS", "10"))
MAX_RATIO = 2.0
NEEDED_GB = 15
PAGE_SIZE = 24
#: Percentage of builders that have the word.
RARE, MEDIUM, COMMON = 0.05, 3, 45
FACETS = {"domain": "web", "tier": "2"}

type Pages = dict[str, Iterator[str]]


def main() -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
    if free < NEEDED_GB:
        sys.exit(f"Seeding a million builders takes {NEEDED_GB} GB in {tempfile.gettempdir()}; {free:.0f} GB are free.")
    with tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as name:
        folder = Path(name)
        settings = {"shared_buffers": "512MB", "max_wal_size": "4GB", "maintenance_work_mem": "256MB"}
        # This is safe, because nothing is written during the measurement and the data is not kept.
        with EmbeddedPostgres(folder, fsync="off", synchronous_commit="off", **settings) as postgres:
            urls = {"10,000": postgres.url, "1,000,000": postgres.url.replace("/app?", "/million?")}
            seed(*urls.values())
            with (
                gunicorn(urls["10,000"], folder / "few.txt", workers=1, **ENVIRONMENT) as few,
                gunicorn(urls["1,000,000"], folder / "many.txt", workers=1, **ENVIRONMENT) as many,
            ):
                durations = compare(
                    {"10,000": (few, pages(urls["10,000"])), "1,000,000": (many, pages(urls["1,000,000"]))}
                )
    sys.exit(report(durations))


def seed(few: str, many: str) -> None:
    started = time.monotonic()
    run("manage.py", "migrate", "--verbosity=0", url=few)
    run("-m", "tests.bench.builders", "seed", url=few)
    with psycopg.connect(few, autocommit=True, dbname="postgres") as connection:
        connection.execute("CREATE DATABASE million TEMPLATE app")
    run("-m", "tests.bench.builders", "multiply", url=many)
    print(f"10,000 and 1,000,000 builders were seeded in {time.monotonic() - started:.0f} s.")


def run(*arguments: str, url: str) -> None:
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, *arguments], env=environ, check=True)


def pages(url: str) -> Pages:
    """Return the URLs to request in each round, by label."""
    with psycopg.connect(url) as connection:
        rare, medium, common = (words_near(connection, percent) for percent in (RARE, MEDIUM, COMMON))
        deep_cursor = cursor_at(connection, 999 * PAGE_SIZE)
        public = connection.execute(
            "SELECT slug FROM profiles_builderprofile JOIN accounts_user ON accounts_user.id = user_id "
            "WHERE is_active AND profiles_builderprofile.id > 5000 ORDER BY profiles_builderprofile.id LIMIT 100"
        ).fetchall()
    narrowed = {**FACETS, "skill": "React"}
    queries: Mapping[str, list[dict[str, str]]] = {
        "directory, page 1": [{}],
        "directory, page 1,000": [{"after": deep_cursor}],
        "directory, newest": [{"sort": "newest"}],
        "directory, lowest rate": [{"sort": "rate-low"}],
        "facets alone": [narrowed, {"tier": "1"}, {"availability": "limited", "domain": "ai"}],
        "search, rare word": [{"q": word} for word in rare],
        "search, rare word, facets": [{"q": word, **FACETS} for word in rare],
        "search, medium word": [{"q": word} for word in medium],
        "search, common word": [{"q": word} for word in common],
        "search, common word, facets": [{"q": word, **FACETS} for word in common],
        "search, synonym": [{"q": "ios"}, {"q": "shopify"}, {"q": "fintech"}],
        "search, client's words": [{"q": f"I need a mobile app with {word}"} for word in common],
        "search, misspelled word": [{"q": misspelled(word)} for word in (*rare, *medium)],
        "search, partial match": [
            {"q": f"{one} {other} {third}"} for one, other, third in zip(rare, medium, common, strict=True)
        ],
        "search, no match": [{"q": "qqqqq"}, {"q": "no such words"}],
        "search, no match, facets": [{"q": "qqqqq", **FACETS}],
    }
    found = {label: cycle([f"/builders/?{urlencode(one)}" for one in each]) for label, each in queries.items()}
    return {"profile page": cycle([f"/builders/{slug}/" for (slug,) in public]), **found}


def misspelled(word: str) -> str:
    """Return `word` with two adjacent letters swapped."""
    return f"{word[:2]}{word[3]}{word[2]}{word[4:]}"


def words_near(connection: psycopg.Connection, percent: float) -> list[str]:
    """Return words that appear in about `percent` of the first builders, excluding facet terms."""
    rows = connection.execute(
        "SELECT word FROM ts_stat('SELECT search FROM profiles_builderprofile WHERE id <= 10000') "
        "WHERE word ~ '^[a-z]{6}' ORDER BY abs(ndoc - %s), word LIMIT 5",
        [percent * 100],
    )
    return [word for (word,) in rows]


def cursor_at(connection: psycopg.Connection, position: int) -> str:
    """Return the cursor of the page at `position`, or of a page near the end if there are fewer builders."""
    listed = "FROM profiles_builderprofile WHERE searchable AND archived_at IS NULL"
    count = connection.execute(f"SELECT count(*) {listed}").fetchone()
    assert count
    row = connection.execute(
        f"SELECT score, id {listed} ORDER BY score DESC, id DESC OFFSET %s LIMIT 1", [min(position, count[0] * 4 // 5)]
    ).fetchone()
    assert row
    return f"{row[0]}.{row[1]}"


def compare(sides: Mapping[str, tuple[str, Pages]]) -> dict[str, dict[str, list[float]]]:
    """Return the milliseconds of each request, by label and side."""
    labels = list(next(iter(sides.values()))[1])
    durations: dict[str, dict[str, list[float]]] = {label: {side: [] for side in sides} for label in labels}
    connections = {
        side: http.client.HTTPConnection("127.0.0.1", urlsplit(base).port or 80) for side, (base, _) in sides.items()
    }
    for number in range(ROUNDS + 1):
        for label in labels:
            for _ in range(REQUESTS):
                for side in list(sides)[:: 1 if number % 2 else -1]:
                    duration = request(connections[side], next(sides[side][1][label]))
                    if number:  # the first round is a warm-up
                        durations[label][side].append(duration)
    return durations


def request(connection: http.client.HTTPConnection, url: str) -> float:
    """Return the duration of a request in milliseconds."""
    started = time.perf_counter()
    connection.request("GET", url)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        sys.exit(f"{url} returned {response.status}")
    return 1000 * (time.perf_counter() - started)


def report(durations: dict[str, dict[str, list[float]]]) -> int:
    """Print the medians, and return 1 if a page is too slow."""
    print(f"Medians in ms of {ROUNDS} alternating rounds of {REQUESTS} requests:\n")
    print(f"{'':30}{'10,000':>10}{'1,000,000':>12}{'ratio':>8}")
    slowest = 0.0
    for label, sides in durations.items():
        few, many = (statistics.median(times) for times in sides.values())
        slowest = max(slowest, many / few)
        print(f"{label:30}{few:10.1f}{many:12.1f}{many / few:8.2f}")
    print(
        f"\nA million take at most {slowest:.2f} times as long as ten thousand. The target is {MAX_RATIO:.2f} at most."
    )
    return int(slowest > MAX_RATIO)


if __name__ == "__main__":
    main()
