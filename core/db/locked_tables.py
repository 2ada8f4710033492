"""Find tables that no statement can read, because another session has locked them."""

from datetime import datetime
from typing import NamedTuple

from django.db import DatabaseError, connection
from psycopg import errors

#: Only ACCESS EXCLUSIVE locks block SELECT. Vacuum holds them for milliseconds. Other roles' sessions have no start time
#: without pg_read_all_stats.
QUERY = """
SELECT DISTINCT ON (class.relname) class.relname, held.pid, activity.xact_start
FROM pg_locks held
JOIN pg_class class ON class.oid = held.relation AND class.relkind IN ('r', 'p')
LEFT JOIN pg_stat_activity activity ON activity.pid = held.pid
WHERE held.mode = 'AccessExclusiveLock' AND held.granted AND held.pid <> pg_backend_pid()
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND activity.backend_type IS DISTINCT FROM 'autovacuum worker'
    AND class.relnamespace = current_schema()::regnamespace
ORDER BY class.relname, activity.xact_start
"""
#: What PostgreSQL raises if a statement waits too long for a lock, or runs too long.
TIMEOUTS = (errors.LockNotAvailable, errors.QueryCanceled)


class LockedTable(NamedTuple):
    """A locked table, and the session that holds the lock.

    Attributes:
        since: when the session's transaction began, or None if the database role must not see it.
    """

    name: str
    pid: int
    since: datetime | None


def find_locked_tables() -> list[LockedTable]:
    """Return the locked tables in one statement, which waits for no lock."""
    with connection.cursor() as cursor:
        cursor.execute(QUERY)
        return [LockedTable(*row) for row in cursor.fetchall()]


def tables_behind(error: BaseException) -> list[LockedTable]:
    """Return the locked tables if a statement has timed out, and otherwise, or without a connection, an empty list."""
    if not isinstance(error.__cause__, TIMEOUTS) or connection.in_atomic_block:
        return []
    try:
        return find_locked_tables()
    except DatabaseError:
        return []
