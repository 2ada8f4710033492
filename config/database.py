"""Validate pooled connections before each request without a round trip to the server."""

import select
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg_pool import ConnectionPool


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


def close_pools() -> None:
    """Close all database connections in this process. Otherwise, the pool's threads delay the exit by 20 s."""
    if not settings.configured:  # The settings could not be loaded. This error is reported elsewhere.
        return
    for connection in connections.all(initialized_only=True):
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # only the PostgreSQL backend has it
