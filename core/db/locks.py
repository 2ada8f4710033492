"""Advisory locks that are held for longer than one transaction of their holder."""

import contextlib
from collections.abc import Iterator

from django.db import DatabaseError, connection


@contextlib.contextmanager
def try_lock(number: int) -> Iterator[bool]:
    """Try to hold the advisory lock `number` until the block ends, and yield whether it is held.

    PostgreSQL releases the lock if the process is killed. It belongs to a transaction on a connection of its own, because
    the lock of a session cannot be released behind PgBouncer, where the unlock may reach another session. The transaction
    writes nothing and keeps no snapshot, so it delays neither vacuum nor the sealing of the audit log.
    """
    holder = connection.copy()
    holder.set_autocommit(False)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            [is_held] = cursor.fetchone()
        yield is_held
    finally:
        with contextlib.suppress(DatabaseError):  # the connection may be lost
            holder.rollback()
        holder.close()
