"""Compare the CPU time of pages with the CPU time of a minimal Django page, over HTTP in alternating rounds.

    python -m tests.bench.pages

One PostgreSQL and one gunicorn worker per site. The CPU time is the total for gunicorn and PostgreSQL, excluding the client.
A cold page is requested after its builders have been written to, so nothing that depends on them is cached. PostgreSQL's
autovacuum is off, because it would be counted as part of the page that is measured at that moment. The client vacuums instead.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import psutil
import psycopg

from local.stack.postgres import EmbeddedPostgres
from tests.bench.cpu_time import cpu_seconds
from tests.helpers import tokens
from tests.helpers.servers.processes import free_port, process, wait_until
from tests.settings import ENVIRONMENT

ROUNDS, REQUESTS = int(os.environ.get("ROUNDS", "9")), int(os.environ.get("REQUESTS", "100"))
#: Requests to each page in the first round, which is not measured.
WARM_UP_REQUESTS = 20
BUILDERS, SHOWN, CARDS = 2000, 40, 24
TOKEN_LIFETIME_S = 7200
#: Maximum CPU time of each page, as a multiple of the bare page's CPU time.
LIMITS = {
    "builder page, visitor, warm": 2.5,
    "builder page, visitor, cold": 4.0,
    "builder page, unchanged (304)": 1.2,
    "directory, visitor, warm": 4.0,
    "directory, visitor, cold": 7.0,
}
#: Tolerance for measurement noise.
TOLERANCE = 1.15
BARE_BUILDER, BARE_DIRECTORY = "bare builder page", "bare directory"

type Headers = Mapping[str, str]


@dataclass
class Page:
    """A kind of page and its measurements.

    Attributes:
        bare: the label of the bare page to which this one is compared.
        touched: an SQL condition that selects the builders to update before each request.
        status: the expected status.
    """

    site: "Site"
    requests: Sequence[tuple[str, Headers]]
    bare: str
    touched: str = ""
    status: int = 200
    cpu_ms: list[float] = field(default_factory=list)


class Site:
    """A running gunicorn, and a client with one connection to it."""

    def __init__(self, port: int, running: psutil.Process) -> None:
        self.processes = [running, *running.children()]
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self, url: str, headers: Headers) -> http.client.HTTPResponse:
        self.connection.request("GET", url, headers=dict(headers))
        response = self.connection.getresponse()
        response.read()
        return response


def main() -> None:
    sys.exit(report(run()))


def run(labels: Collection[str] = (), *, rounds: int = ROUNDS, requests: int = REQUESTS) -> dict[str, Page]:
    """Measure pages in alternating rounds: all of them, or those with the labels and their bare pages."""
    with (
        tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as name,
        EmbeddedPostgres(Path(name), autovacuum="off") as postgres,
    ):
        folder = Path(name)
        prepare(postgres.url, folder)
        with (
            psycopg.connect(postgres.url, autocommit=True) as writer,
            site("config.settings", postgres.url, folder) as product,
            site("tests.bench.bare", postgres.url, folder) as bare,
        ):
            pages = all_pages(product, bare, writer)
            if labels:
                needed = {*labels, *(pages[label].bare for label in labels)}
                pages = {label: page for label, page in pages.items() if label in needed}
            measure(pages, cpu_meter(postgres, writer), writer, rounds, requests)
    return pages


def cpu_ratio(pages: Mapping[str, Page], label: str) -> float:
    """Return the CPU time of a page as a multiple of the bare page's."""
    page = pages[label]
    return statistics.median(page.cpu_ms) / statistics.median(pages[page.bare].cpu_ms)


def prepare(url: str, folder: Path) -> None:
    for command in (
        ["manage.py", "migrate", "--verbosity=0"],
        ["manage.py", "collectstatic", "--no-input", "--verbosity=0"],
        ["-m", "tests.bench.builders", "portfolios", str(BUILDERS)],
    ):
        environ = os.environ | ENVIRONMENT | {"DATABASE_URL": url, "STATIC_ROOT": str(folder / "static")}
        subprocess.run(
            [sys.executable, *command], env=environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}, check=True
        )


@contextmanager
def site(settings: str, url: str, folder: Path) -> Iterator[Site]:
    port, static = free_port(), str(folder / "static")
    environ = ENVIRONMENT | {"DJANGO_SETTINGS_MODULE": settings, "PORT": str(port), "STATIC_ROOT": static}
    command = ["-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
    with process(command, url, folder / "gunicorn.txt", **environ, WEB_CONCURRENCY="1") as running:
        gunicorn = psutil.Process(running.pid)
        wait_until(lambda: gunicorn.children() and is_up(port), f"{settings} did not start")
        yield Site(port, gunicorn)


def is_up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/builders/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def all_pages(product: Site, bare: Site, writer: psycopg.Connection) -> dict[str, Page]:
    shown = writer.execute(
        "SELECT slug, clerk_id, time_zone FROM profiles_builderprofile AS builder JOIN accounts_user AS u ON u.id = user_id "
        f"WHERE is_active AND searchable ORDER BY score DESC, builder.id DESC LIMIT {SHOWN}"
    ).fetchall()
    urls = [f"/builders/{slug}/" for slug, _, _ in shown]
    nobody: Headers = {"Cookie": "__clerk_db_jwt=dvb_1"}  # signed out, and known to a development instance of Clerk
    owners = [(f"/builders/{slug}/", signed_in(clerk_id)) for slug, clerk_id, _ in shown]
    member = signed_in(shown[-1][1])
    unchanged = [url for url, (_, _, time_zone) in zip(urls, shown, strict=True) if not time_zone]
    words = ["re", "react", "python dev", "bako"]
    search = [(f"/builders/?q={word.replace(' ', '+')}", nobody) for word in words]
    top = f"score >= (SELECT score FROM profiles_builderprofile ORDER BY score DESC OFFSET {2 * CARDS} LIMIT 1)"

    def page(requests: Sequence[tuple[str, Headers]], like: str, *, touched: str = "", status: int = 200) -> Page:
        return Page(product, requests, like, touched, status)

    def for_visitors(urls: list[str]) -> list[tuple[str, Headers]]:
        return [(url, nobody) for url in urls]

    directory, api = for_visitors(["/builders/"]), for_visitors(["/api/profiles/builders"])
    return {
        BARE_BUILDER: Page(bare, for_visitors(urls), BARE_BUILDER),
        "builder page, visitor, warm": page(for_visitors(urls), BARE_BUILDER),
        "builder page, visitor, cold": page(for_visitors(urls), BARE_BUILDER, touched=top),
        "builder page, unchanged (304)": page(for_visitors(unchanged), BARE_BUILDER, status=304),
        "builder page, signed in": page([(url, member) for url in urls[:-1]], BARE_BUILDER),
        "builder page, owner": page(owners, BARE_BUILDER),
        BARE_DIRECTORY: Page(bare, directory, BARE_DIRECTORY),
        "directory, visitor, warm": page(directory, BARE_DIRECTORY),
        "directory, visitor, cold": page(directory, BARE_DIRECTORY, touched=top),
        "directory, signed in": page([("/builders/", member)], BARE_DIRECTORY),
        "search, visitor": page(search, BARE_DIRECTORY),
        "API list": page(api, BARE_DIRECTORY),
    }


def signed_in(clerk_id: str) -> Headers:
    token = tokens.mint(clerk_id, lifetime_s=TOKEN_LIFETIME_S)
    return {"Cookie": f"__clerk_db_jwt=dvb_1; __client_uat=1; __session={token}"}


def cpu_meter(postgres: EmbeddedPostgres, writer: psycopg.Connection) -> Callable[[Site], float]:
    """Return a function that returns the CPU seconds of a site and of PostgreSQL, excluding this client's writes."""
    server = psutil.Process(int((postgres.data / "postmaster.pid").read_text().split()[0]))
    own = writer.info.backend_pid

    def total(site: Site) -> float:
        # Backends exist as long as the connection pools, so the CPU time of all processes is included.
        backends = [each for each in server.children(recursive=True) if each.pid != own]
        return cpu_seconds([*site.processes, server, *backends])

    return total


def measure(
    pages: Mapping[str, Page], cpu: Callable[[Site], float], writer: psycopg.Connection, rounds: int, requests: int
) -> None:
    """Run the rounds. The first round is a warm-up and is not measured."""
    for number in range(rounds + 1):
        for page in list(pages.values())[:: 1 if number % 2 else -1]:
            warm_up(page)
            count = requests if number else WARM_UP_REQUESTS
            before = cpu(page.site)
            send(page, count, writer)
            if number:
                page.cpu_ms.append(1000 * (cpu(page.site) - before) / count)
            if page.touched:
                writer.execute("VACUUM profiles_builderprofile")  # so that the next page does not read dead rows


def send(page: Page, count: int, writer: psycopg.Connection) -> None:
    for url, headers in islice(cycle(page.requests), count):
        if page.touched:
            writer.execute(f"UPDATE profiles_builderprofile SET headline = headline WHERE {page.touched}")
        response = page.site.get(url, headers)
        if response.status != page.status:
            sys.exit(f"{url} returned {response.status}, not {page.status}")


def warm_up(page: Page) -> None:
    """Request each page once, because the cold pages have changed all builders, and note the new ETags."""
    page.site.connection.close()  # gunicorn may have closed it while other pages were measured
    responses = [(url, headers, page.site.get(url, headers)) for url, headers in page.requests]
    if page.status == 304:
        page.requests = [
            (url, {**headers, "If-None-Match": response.headers.get("ETag", "")})
            for url, headers, response in responses
        ]


def report(pages: Mapping[str, Page]) -> int:
    """Print the medians, and return 1 if a page exceeds its limit."""
    print(f"\nCPU time of a request in ms, medians of {ROUNDS} alternating rounds of {REQUESTS} requests:\n")
    print(f"{'':34}{'CPU ms':>8}{'lowest':>8}{'highest':>9}{'bare':>7}{'limit':>7}")
    failed = False
    for label, page in pages.items():
        ratio = cpu_ratio(pages, label)
        limit = LIMITS.get(label)
        failed |= limit is not None and ratio > limit * TOLERANCE
        print(
            f"{label:34}{statistics.median(page.cpu_ms):8.2f}{min(page.cpu_ms):8.2f}{max(page.cpu_ms):9.2f}"
            f"{ratio:7.2f}{limit or '':>7}"
        )
    return int(failed)


if __name__ == "__main__":
    main()
