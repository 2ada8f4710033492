"""Locks held by another connection, and a connection under test that does not wait long for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

from config.database import close_pools


@contextmanager
def short_lock_timeout() -> Iterator[None]:
    """Let the connection of this thread wait 50 ms for locks instead of 3 s, in a test with `transaction=True`.

    The pool is closed afterwards, because a pooled connection keeps its settings and would be given to a later test.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    try:
        yield
    finally:
        close_pools()


@contextmanager
def hold_lock(database_url: str, query: str) -> Iterator[None]:
    """Hold the locks of a query in another connection."""
    with psycopg.connect(database_url) as other:
        other.execute(query)
        yield
