"""Starts the embedded PostgreSQL before pytest-django reads the settings. `-p tests.plugin` loads it.

Each process of pytest-xdist gets a server of its own: sealing the audit log and folding counts wait for the oldest open
transaction of the whole server, whichever database it is in.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from local.stack.postgres import EmbeddedPostgres

#: Nobody needs the data after a crash of the machine, tests commit often, and no table lives long enough to be vacuumed.
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

#: Tells processes of pytest-xdist that DATABASE_URL is no wish of the user's.
OURS = "TESTS_STARTED_POSTGRES"

_cleanups: list[Callable[[], None]] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)  # a wrapper, because pytest-django's own is first among the others
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Provide DATABASE_URL unless it is set, and a folder for pictures."""
    media = tempfile.mkdtemp(prefix="buildappswith-media-")
    os.environ["MEDIA_ROOT"] = media
    _cleanups.append(lambda: shutil.rmtree(media, ignore_errors=True))
    is_ours = not os.environ.get("DATABASE_URL") or OURS in os.environ
    if is_ours and _only_hands_out_tests(early_config):
        os.environ[OURS] = "yes"
    elif is_ours:
        folder = Path(tempfile.mkdtemp(prefix="buildappswith-tests-"))
        _cleanups.append(lambda: shutil.rmtree(folder, ignore_errors=True))
        postgres = EmbeddedPostgres(folder, **SETTINGS)
        os.environ["DATABASE_URL"], os.environ[OURS] = postgres.start(), "yes"
        _cleanups.append(postgres.stop)
    yield


def _only_hands_out_tests(config: pytest.Config) -> bool:
    """Return whether this is the process of pytest-xdist that lets others run the tests."""
    return bool(config.known_args_namespace.numprocesses) and "PYTEST_XDIST_WORKER" not in os.environ


def pytest_unconfigure() -> None:
    """Stop the server and remove its data."""
    while _cleanups:
        _cleanups.pop()()
