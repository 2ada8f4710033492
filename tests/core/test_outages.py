"""A lost or read-only database is distinguished from bugs."""

import pytest
from django.db import InterfaceError, InternalError, OperationalError, ProgrammingError, connection, transaction
from psycopg import errors

from core.db.outages import is_outage


def caused_by(cause: Exception | None) -> InternalError:
    error = InternalError("error")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    (
        pytest.param(OperationalError("away"), True, id="OperationalError"),
        pytest.param(InterfaceError("closed"), True, id="InterfaceError"),
        pytest.param(caused_by(errors.InternalError("received 2 results from command 'COMMIT'")), True, id="lost"),
        pytest.param(caused_by(errors.ReadOnlySqlTransaction("read-only")), True, id="read-only"),
        pytest.param(caused_by(errors.InFailedSqlTransaction("aborted")), False, id="aborted transaction"),
        pytest.param(caused_by(None), False, id="unknown cause"),
        pytest.param(ProgrammingError("syntax"), False, id="ProgrammingError"),
    ),
)
def test_outages_are_recognized(error: Exception, expected: bool) -> None:  # noqa: FBT001
    assert is_outage(error) is expected


@pytest.mark.django_db
def test_write_to_a_read_only_server_is_an_outage() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        cursor.execute("SET LOCAL transaction_read_only = on")
        with pytest.raises(InternalError) as raised:
            cursor.execute("DELETE FROM accounts_user")
        cursor.execute("ROLLBACK TO SAVEPOINT before")
    assert is_outage(raised.value)
