"""Advisory locks that can be held across several transactions."""

import contextlib
from collections.abc import Iterator

from django.db import DatabaseError, connection


@contextlib.contextmanager
def try_lock(number: int) -> Iterator[bool]:
    """Try to hold the advisory lock `number` until the block ends, and yield whether it is held.

    PostgreSQL releases the lock if the process is killed. The lock belongs to a transaction on a separate connection. A
    session-level lock would not work with PgBouncer, because the unlock could run in a different session. The transaction
    writes nothing and holds no snapshot, so it does not delay vacuum or the sealing of the audit log.
    """
    holder = connection.copy()
    holder.set_autocommit(False)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            [is_held] = cursor.fetchone()
        yield is_held
    finally:
        with contextlib.suppress(DatabaseError):  # The connection may have been lost.
            holder.rollback()
        holder.close()
