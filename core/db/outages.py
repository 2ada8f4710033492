"""Recognize exceptions that are raised because the database is unavailable."""

from django.db import InterfaceError, InternalError, OperationalError
from psycopg import errors


def is_outage(error: BaseException) -> bool:
    """Return whether a database error means that the database is unreachable, overloaded or read-only.

    psycopg raises an InternalError without an SQLSTATE if the connection is lost during COMMIT. A server that has become
    a replica rejects writes as read-only. Other internal errors are bugs, such as a statement in an aborted transaction.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    cause = error.__cause__
    if not isinstance(error, InternalError) or not isinstance(cause, errors.Error):
        return False
    return cause.sqlstate is None or isinstance(cause, errors.ReadOnlySqlTransaction)
