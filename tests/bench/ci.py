"""A shorter benchmark for continuous integration: `make bench ARGS=--ci`.

Only ratios of CPU times of the same run are compared, because the speed of the machine and its other load are unknown.
The bounds are worse than the results on a quiet machine (docs/performance.md) by about a third, which allows for noise.
tests/webhooks/inbox/test_statements.py and the tests of pages check the numbers of statements.
"""

import tempfile
from pathlib import Path

from local.stack.postgres import EmbeddedPostgres
from tests.bench import pages, webhooks
from tests.bench.databases import migrate

#: Minimum share of the limit's CPU time, by kind of request and number of connections.
MIN_SHARES = {("events", 1): 0.28, ("events", 16): 0.4, ("duplicates", 16): 0.8, ("refused", 16): 0.55}
#: Maximum CPU time, as a multiple of the bare page's.
MAX_RATIOS = {
    "builder page, visitor, warm": 2.5,
    "builder page, visitor, cold": 4.6,
    "builder page, unchanged (304)": 1.4,
    "directory, visitor, warm": 4.6,
    "directory, visitor, cold": 8.0,
    "search, visitor": 6.8,
}


def main() -> int:
    """Print each ratio and its limit, and return 1 if a ratio exceeds its limit."""
    with (
        tempfile.TemporaryDirectory(prefix="buildappswith-bench-") as name,
        EmbeddedPostgres(Path(name), autovacuum="off") as postgres,  # it would run at a random moment
    ):
        migrate(postgres.url)
        full, limit = webhooks.run(postgres, Path(name), rounds=3, events=300)
    measured = pages.run(MAX_RATIOS, rounds=3, requests=100)
    failed = False
    for (kind, connections), bound in MIN_SHARES.items():
        share = webhooks.cpu_share(full, limit, kind, connections)
        failed |= share < bound
        print(f"{kind + f', {connections} connections':34}{share:8.2f}  at least {bound}{_mark(share < bound)}")
    for label, bound in MAX_RATIOS.items():
        ratio = pages.cpu_ratio(measured, label)
        failed |= ratio > bound
        print(f"{label:34}{ratio:8.2f}  at most {bound}{_mark(ratio > bound)}")
    return int(failed)


def _mark(is_worse: bool) -> str:  # noqa: FBT001
    return "  WORSE" if is_worse else ""
