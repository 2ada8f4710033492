"""Keep pooled connections fit without asking the server before each request."""

import select
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg_pool import ConnectionPool


def check_connection(connection: psycopg.Connection[Any]) -> None:
    """Raise if the server hung up on a pooled connection; cost no round trip if it did not.

    A server that shuts down or cuts a connection says so unasked, which makes the socket readable. On the first dead
    connection the whole pool is drained, because psycopg-pool would otherwise wait 1, 2, 4 … s for each one.

    Raises:
        psycopg.OperationalError: the connection is dead; the pool then hands out another one.
    """
    readable, _, _ = select.select([connection.pgconn.socket], [], [], 0)
    if not readable:
        return
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        pool = connections["default"].pool  # type: ignore[attr-defined]  # the PostgreSQL backend's own
        pool.drain()
        raise


def close_pools() -> None:
    """Close what connects this process to the database. A pool's threads would hold up the end of the process for 20 s."""
    if not settings.configured:  # they cannot be read, which somebody else is about to say
        return
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # likewise
