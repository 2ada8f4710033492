"""Fixtures for all tests."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from pytest_django import DjangoDbBlocker, Settings

from tests.helpers import flags
from tests.helpers.admin import one_of_each
from tests.helpers.clerk import FakeClerk, fake_clerk
from tests.helpers.flushing import quick_flush
from tests.helpers.processes import UNWATCHED, gunicorn
from tests.helpers.webhooks import Svix, WebhookClient
from webhooks.inbox import rejections


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be reached that is not on this machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test tried to reach {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(autouse=True)
def everything_is_on() -> None:
    """Begin each test with every switch on, whatever the one before has left in the cache."""
    flags.all_on()


@pytest.fixture(autouse=True, scope="session")
def flush_everything() -> Iterator[None]:
    """Make flushing between transactional tests empty the append-only log and the queue's unmanaged tables, too."""
    with quick_flush():
        yield


@pytest.fixture(autouse=True, scope="session")
def no_counting_behind_the_tests_back() -> Iterator[None]:
    """Let no thread write refused requests into the database of whichever test runs ten seconds later."""
    patch = pytest.MonkeyPatch()
    patch.setattr(rejections, "FLUSH_DELAY_S", 24 * 3600.0)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def module_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let other fixtures of a module make rows once for all of its tests.

    The module's tests run inside of the transaction that has made them, and each is rolled back to its beginning. So none
    of them may be a transactional one.
    """
    patch = pytest.MonkeyPatch()
    with django_db_blocker.unblock(), transaction.atomic():
        patch.setattr(connection, "close", lambda: None)  # each test ends with it
        yield
        patch.undo()
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def one_of_each_pk(module_rows: None) -> int:
    """Make a row of every model that the admin shows, and return their key."""
    return one_of_each()


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the connection of the test's transaction over requests to the WSGI application, as Django's own client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[FakeClerk]:
    """Return a Clerk whose answers the test makes up."""
    with fake_clerk(monkeypatch, settings) as clerk:
        yield clerk


@pytest.fixture
def webhook(db: None) -> WebhookClient:
    """Return a client that signs what it posts, and is refused wherever CSRF protection would refuse it."""
    return WebhookClient()


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """Return the folder of uploaded pictures, an empty one for this test."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return Path(settings.MEDIA_ROOT)


@pytest.fixture(scope="session")
def database_url(django_db_setup: None) -> str:
    """Return the URL of the test database, for other processes."""
    options = connection.settings_dict
    userinfo = options["USER"] + (f":{options['PASSWORD']}" if options["PASSWORD"] else "")
    if options["HOST"].startswith("/"):
        return f"postgresql://{userinfo}@/{options['NAME']}?host={options['HOST']}"
    return f"postgresql://{userinfo}@{options['HOST']}:{options['PORT'] or 5432}/{options['NAME']}"


@pytest.fixture(scope="session")
def server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the base URL of a gunicorn with several workers, as production runs it, on the test database.

    A test that uses it must commit what it writes: `@pytest.mark.django_db(transaction=True)`.
    """
    log = tmp_path_factory.mktemp("gunicorn") / "log.txt"
    with gunicorn(database_url, log, configuration=UNWATCHED) as url:
        yield url


@pytest.fixture(scope="session")
def svix(server: str) -> Iterator[Svix]:
    """Return a sender that delivers to the running server, from several threads if it is told to."""
    with httpx.Client(base_url=server, timeout=15, trust_env=False) as client:
        yield Svix(client)
