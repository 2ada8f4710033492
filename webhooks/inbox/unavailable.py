"""Causes of 503 responses, when a delivery could not be stored. They are counted by webhooks.inbox.rejections."""

from django.db import InterfaceError, InternalError, OperationalError, connection
from procrastinate.exceptions import ConnectorException
from psycopg import errors
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

#: InternalError: the connection was lost during COMMIT, or the database is read-only. ConnectorException: the job of a
#: failed event could not be stored.
DATABASE_ERRORS = (OperationalError, InterfaceError, InternalError, ConnectorException)


class Unavailable(Exception):
    """The delivery could not be stored, and the sender has to retry.

    Attributes:
        cause: `locked_row`, `pool_exhausted`, `disk_full` or `database_away`.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.cause = _cause(error.__cause__)


def _cause(error: BaseException | None) -> str:
    if isinstance(error, errors.LockNotAvailable):
        return "locked_row"
    if isinstance(error, errors.DiskFull):
        return "disk_full"
    if isinstance(error, PoolTimeout | TooManyRequests) and _all_connections_exist():
        return "pool_exhausted"
    return "database_away"


def _all_connections_exist() -> bool:
    """Return whether the pool has opened all connections, so that a timeout means that all of them were in use."""
    pool = _pool()
    return bool(pool and pool.get_stats()["pool_size"] >= pool.max_size)


def _pool() -> ConnectionPool | None:
    return getattr(connection, "pool", None)  # only the PostgreSQL backend has a pool
