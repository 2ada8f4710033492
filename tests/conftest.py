"""Fixtures for all tests."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection, transaction
from django.test import client as test_client
from pytest_django import DjangoDbBlocker, Settings

from profiles.directory import synonyms
from tests.helpers import flags
from tests.helpers.admin import one_of_each
from tests.helpers.clerk import FakeClerk, fake_clerk
from tests.helpers.flushing import quick_flush
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn
from tests.helpers.webhooks import Svix, WebhookClient
from webhooks.inbox import background_counts


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if a test connects to another machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"The test tried to connect to {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(autouse=True)
def all_flags_enabled() -> None:
    """Enable every feature flag at the start of each test, and reset the flag cache."""
    flags.enable_all()


@pytest.fixture(autouse=True, scope="session")
def fast_flush() -> Iterator[None]:
    """Empty all tables quickly after transactional tests, including the audit log and the queue."""
    with quick_flush():
        yield


@pytest.fixture(autouse=True, scope="session")
def no_delayed_rejection_counts() -> Iterator[None]:
    """Disable the timers that write request counts, because they could fire during another test."""
    patch = pytest.MonkeyPatch()
    patch.setattr(background_counts, "FLUSH_DELAY_S", 24 * 3600.0)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def no_synonyms() -> Iterator[None]:
    """Search without synonyms, so that the number of queries does not depend on the cache.

    Tests of synonyms use `shipped_synonyms`.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(synonyms, "MAX_AGE_S", float("inf"))
    patch.setattr(synonyms._Cache, "checked_at", 0.0)
    yield
    patch.undo()


@pytest.fixture
def shipped_synonyms(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search with the synonyms from the migration."""
    monkeypatch.setattr(synonyms._Cache, "synonyms", synonyms.load(None))


@pytest.fixture(autouse=True, scope="session")
def no_stored_widgets() -> Iterator[None]:
    """Do not store the templates of form widgets in `response.context`. A list of options renders hundreds of them."""
    patch = pytest.MonkeyPatch()
    store = vars(test_client)["store_rendered_templates"]  # missing from the type stubs

    def store_pages(stored: Any, signal: Any, sender: Any, template: Any, context: Any, **options: Any) -> None:
        if not (template.name or "").startswith("django/forms/widgets/"):
            store(stored, signal, sender, template, context, **options)

    patch.setattr(test_client, "store_rendered_templates", store_pages)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def module_rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Allow module fixtures to create rows once for all tests of the module.

    All tests run inside the transaction that created the rows, and each test is rolled back to its start. The module
    must not contain transactional tests.
    """
    patch = pytest.MonkeyPatch()
    with django_db_blocker.unblock(), transaction.atomic():
        patch.setattr(connection, "close", lambda: None)  # called at the end of each test
        yield
        patch.undo()
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def one_of_each_pk(module_rows: None) -> int:
    """Create a row of every model in the admin, and return their primary key."""
    return one_of_each()


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the test's database connection open during requests to the WSGI application."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[FakeClerk]:
    """Return a fake Clerk with scripted responses."""
    with fake_clerk(monkeypatch, settings) as clerk:
        yield clerk


@pytest.fixture
def webhook(db: None) -> WebhookClient:
    """Return a client that signs its posts. CSRF checks are enforced."""
    return WebhookClient()


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """Return an empty folder for uploads."""
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
    """Return the base URL of a gunicorn with several workers on the test database, as in production.

    Tests that use it must commit their data: `@pytest.mark.django_db(transaction=True)`.
    """
    log = tmp_path_factory.mktemp("gunicorn") / "log.txt"
    with gunicorn(database_url, log, configuration=WITHOUT_ALERT_THREAD) as url:
        yield url


@pytest.fixture(scope="session")
def svix(server: str) -> Iterator[Svix]:
    """Return a client that delivers events to the running server."""
    with httpx.Client(base_url=server, timeout=15, trust_env=False) as client:
        yield Svix(client)
