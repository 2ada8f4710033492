"""Validate pooled connections before each request without a round trip to the server."""

import secrets
import select
from typing import Any
from weakref import WeakSet

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.pq import ExecStatus
from psycopg_pool import ConnectionPool

#: How often a connection runs a statement before the server prepares it, so that rare statements are not prepared.
PREPARE_THRESHOLD = 5
#: Pooler connections that `check_pooler_connection` has tested.
_tested: WeakSet[psycopg.Connection[Any]] = WeakSet()


def check_connection(connection: psycopg.Connection[Any], alias: str = "default") -> None:
    """Check whether the server has closed a pooled connection, without a round trip.

    A server that shuts down or closes a connection sends a message, which makes the socket readable. The first dead
    connection drains the whole pool, because psycopg-pool would otherwise wait 1, 2, 4 … s for each connection.

    Raises:
        psycopg.OperationalError: the connection is dead. The pool then returns another connection.
    """
    readable, _, _ = select.select([connection.pgconn.socket], [], [], 0)
    if not readable:
        return
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        pool = connections[alias].pool  # type: ignore[attr-defined]  # only the PostgreSQL backend has it
        pool.drain()
        raise


def check_pooler_connection(connection: psycopg.Connection[Any], alias: str = "default") -> None:
    """Check a connection like `check_connection`. Prepare its statements only if its pooler supports that.

    Each new connection is tested, because the pooler can be upgraded or reconfigured while this process runs.
    """
    check_connection(connection, alias)
    if connection not in _tested:
        connection.prepare_threshold = PREPARE_THRESHOLD if supports_prepared_statements(connection) else None
        _tested.add(connection)


def supports_prepared_statements(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the pooler supports prepared statements: whether they work in all of its sessions.

    A pooler that supports them gives the statements other names on the server. PgBouncer 1.21 and newer do this if
    max_prepared_statements is above 0. https://www.pgbouncer.org/config.html#max_prepared_statements
    """
    name = f"probe_{secrets.token_hex(8)}"
    with connection.transaction():  # keeps all statements in the same server session
        if connection.pgconn.prepare(name.encode(), b"SELECT 1").status != ExecStatus.COMMAND_OK:
            raise psycopg.OperationalError("The pooler rejected a prepared statement.")
        found = connection.execute("SELECT FROM pg_prepared_statements WHERE name = %s", [name]).fetchone()
        if found is not None:
            connection.execute(f"DEALLOCATE {name}".encode())
    return found is None


def close_pools() -> None:
    """Close all database connections in this process. Otherwise, the pool's threads delay the exit by 20 s."""
    if not settings.configured:  # The settings could not be loaded. This error is reported elsewhere.
        return
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # only the PostgreSQL backend has it
