"""Start the embedded PostgreSQL before pytest-django reads the settings. `-p tests.plugin` loads this plugin.

Each pytest-xdist worker gets its own server, because sealing the audit log and aggregating counts wait for the
server's oldest open transaction in any database.
"""

import gc
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from local.stack.postgres import EmbeddedPostgres

#: The data does not have to survive a crash, tests commit often, and tables are dropped before they need a vacuum.
SETTINGS: dict[str, str | int] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": 200,
}

#: Folders and files that `make test-slow` runs: they start processes, wait for locks or timeouts, or request every URL as every
#: kind of visitor. They need as much time as the other nine of ten tests together.
SLOW = (
    "tests/accounts/sync/test_missed_deletions.py",
    "tests/config/logs/",
    "tests/config/server/",
    "tests/config/test_error_reporting.py",
    "tests/config/test_headers.py",
    "tests/config/test_private_pages.py",
    "tests/config/test_startup.py",
    "tests/deploy/",
    "tests/journeys/",
    "tests/local/",
    "tests/profiles/api/test_openapi.py",
    "tests/profiles/test_bad_input.py",
    "tests/test_admin_filters.py",
    "tests/test_admin_permissions.py",
    "tests/test_jobs.py",
    "tests/test_permissions.py",
    "tests/webhooks/monitoring/test_distant_database.py",
    "tests/webhooks/monitoring/test_slow_database.py",
    "tests/webhooks/runbooks/",
)

#: Marks DATABASE_URL as set by this plugin, for pytest-xdist workers, which inherit the environment.
STARTED_HERE = "TESTS_STARTED_POSTGRES"

_cleanups: list[Callable[[], None]] = []

# Container images often set this variable. Without bytecode files, every test process and every process that a test starts
# compiles all modules again, and pytest rewrites all assertions again, which takes about ten seconds per process.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True, tryfirst=True)  # wrappers run before pytest-django's hook
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Set MEDIA_ROOT, and DATABASE_URL unless the user has set it."""
    media = tempfile.mkdtemp(prefix="buildappswith-media-")
    os.environ["MEDIA_ROOT"] = media
    _cleanups.append(lambda: shutil.rmtree(media, ignore_errors=True))
    is_needed = not os.environ.get("DATABASE_URL") or STARTED_HERE in os.environ
    if is_needed and _is_xdist_controller(early_config):
        os.environ[STARTED_HERE] = "yes"
    elif is_needed:
        folder = Path(tempfile.mkdtemp(prefix="buildappswith-tests-"))
        _cleanups.append(lambda: shutil.rmtree(folder, ignore_errors=True))
        postgres = EmbeddedPostgres(folder, **SETTINGS)
        os.environ["DATABASE_URL"], os.environ[STARTED_HERE] = postgres.start(), "yes"
        os.environ["DATABASE_POOLER"] = ""  # the PgBouncer tests set this variable for their processes
        _cleanups.append(postgres.stop)
    yield


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests of SLOW, which `-m slow` selects."""
    if item.nodeid.startswith(SLOW):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)  # after pytest-django, which sorts the tests of each file
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In pytest-xdist workers, run the slowest files first, so that all workers finish at about the same time."""
    if hasattr(config, "workerinput"):
        files = [item.nodeid.partition("::")[0] for item in items]
        sizes = Counter(files)
        keys = {file: (not file.startswith(SLOW), -sizes[file], file) for file in sizes}
        items.sort(key=lambda item: keys[item.nodeid.partition("::")[0]])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Exclude the collected tests and the imported modules from garbage collection, because they stay in memory anyway."""
    gc.collect()
    gc.freeze()


def _is_xdist_controller(config: pytest.Config) -> bool:
    """Return whether this process only distributes tests to pytest-xdist workers."""
    return bool(config.known_args_namespace.numprocesses) and "PYTEST_XDIST_WORKER" not in os.environ


def pytest_unconfigure() -> None:
    """Stop the server and remove its data."""
    while _cleanups:
        _cleanups.pop()()
