"""Fixtures for all tests."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations

from tests.helpers.webhooks import WebhookClient

QUEUE_TABLES = "procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be reached that is not on this machine."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test tried to reach {address}.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)


@pytest.fixture(autouse=True, scope="session")
def flush_everything() -> Iterator[None]:
    """Make flushing between transactional tests empty the append-only log and the queue's unmanaged tables, too."""
    original = DatabaseOperations.sql_flush

    def sql_flush(self: DatabaseOperations, style: Any, tables: Any, **options: Any) -> list[str]:
        statements = original(self, style, tables, **options)
        if "audit_auditlog" not in tables:
            return statements
        return [
            "ALTER TABLE audit_auditlog DISABLE TRIGGER USER;",
            f"TRUNCATE {QUEUE_TABLES} CASCADE;",
            *statements,
            "ALTER TABLE audit_auditlog ENABLE TRIGGER USER;",
        ]

    patch = pytest.MonkeyPatch()
    patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
    yield
    patch.undo()


@pytest.fixture
def webhook(db: None) -> WebhookClient:
    """Return a client that signs what it posts, and is refused wherever CSRF protection would refuse it."""
    return WebhookClient()


@pytest.fixture
def database_url() -> str:
    """Return the URL of the test database, for other processes."""
    options = connection.settings_dict
    userinfo = options["USER"] + (f":{options['PASSWORD']}" if options["PASSWORD"] else "")
    if options["HOST"].startswith("/"):
        return f"postgresql://{userinfo}@/{options['NAME']}?host={options['HOST']}"
    return f"postgresql://{userinfo}@{options['HOST']}:{options['PORT'] or 5432}/{options['NAME']}"
