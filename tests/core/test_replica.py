"""When public pages are read from the replica."""

from typing import Any, NoReturn

import psycopg
import pytest
from django.db import InternalError, OperationalError, ProgrammingError, connection, transaction
from django.http import Http404
from psycopg import errors
from pytest_django import Settings

from accounts.models import User
from core.db import replica
from core.db.replica import LagMeter, ReplicaRouter, read_alias, read_from_replica


class Servers:
    """Answers of the replica and the primary to the lag check."""

    def __init__(self) -> None:
        self.replica: tuple[bool, int] | Exception = (True, 100)
        self.primary: tuple[int] | Exception = (100,)

    def query(self, alias: str, sql: str) -> Any:
        answer = self.replica if alias == replica.REPLICA else self.primary
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Servers:
    answers = Servers()
    monkeypatch.setitem(settings.DATABASES, "replica", {})
    monkeypatch.setattr(replica, "_query", answers.query)
    monkeypatch.setattr(replica, "_status", replica._Status())
    return answers


def test_current_replica_is_used_for_reads_only(servers: Servers) -> None:
    assert read_from_replica(read_alias) == "replica"
    assert read_alias() == "default"
    router = ReplicaRouter()
    assert read_from_replica(lambda: (router.db_for_read(User), router.db_for_write(User))) == ("replica", "default")
    assert not router.allow_migrate("replica", "accounts")
    assert router.allow_migrate("default", "accounts")


def test_transactions_and_locks_use_the_primary(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> tuple[str, str]:
        with monkeypatch.context() as patch:
            patch.setattr(transaction.get_connection(), "in_atomic_block", True)
            inside = read_alias()
        return inside, User.objects.select_for_update().db

    assert read_from_replica(read) == ("default", "default")


def test_without_a_replica_the_primary_is_used() -> None:
    assert read_from_replica(read_alias) == "default"


@pytest.mark.parametrize(
    ("answer", "reason"),
    (
        (OperationalError("connection refused"), "it cannot be reached"),
        ((False, 100), "DATABASE_REPLICA_URL is not a replica"),
    ),
)
def test_unusable_replica_is_not_used(
    servers: Servers, caplog: pytest.LogCaptureFixture, answer: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_from_replica(read_alias) == "replica"
    servers.replica = answer
    monkeypatch.setattr(replica._status, "_next_check_at", 0.0)
    assert read_from_replica(read_alias) == "default"
    assert reason in caplog.text


def test_replica_serves_pages_while_the_primary_is_away(servers: Servers) -> None:
    servers.primary = OperationalError("connection refused")
    assert read_from_replica(read_alias) == "replica"


def lost() -> Exception:
    error = InternalError("received 2 results")
    error.__cause__ = errors.InternalError()
    return error


@pytest.mark.parametrize("error", (OperationalError("canceling statement due to conflict with recovery"), lost()))
def test_failed_read_is_repeated_on_the_primary(servers: Servers, error: Exception) -> None:
    used = []

    def read() -> str:
        used.append(read_alias())
        if used[-1] == "replica":
            raise error
        return "page"

    assert read_from_replica(read) == "page"
    assert used == ["replica", "default"]
    assert read_from_replica(read_alias) == "default"  # for some seconds


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("expected", (["replica", "default", "default"], ["default", "default"]))
def test_connection_that_is_lost_while_reading_is_replaced(
    servers: Servers, database_url: str, expected: list[str]
) -> None:
    """A pooler that is killed closes the connections to the replica and to the primary."""
    servers.replica = ("replica" in expected, 100)
    reads: list[str] = []

    def read() -> str:
        reads.append(read_alias())
        if reads[-1] == replica.REPLICA:
            raise OperationalError("server closed the connection unexpectedly")
        with connection.cursor() as cursor:
            if reads.count(replica.PRIMARY) == 1:
                terminate(cursor, database_url)
            cursor.execute("SELECT 'a row'")
            return str(cursor.fetchone()[0])

    assert read_from_replica(read) == "a row"
    assert reads == expected


def terminate(cursor: Any, database_url: str) -> None:
    cursor.execute("SELECT pg_backend_pid()")
    [process] = cursor.fetchone()
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [process])


def test_missing_page_is_looked_up_on_the_primary(servers: Servers) -> None:
    """A page that was just published may not have been replicated."""

    def read() -> str:
        if read_alias() == "replica":
            raise Http404
        return "page"

    assert read_from_replica(read) == "page"
    assert read_from_replica(read_alias) == "replica"


def test_bugs_are_not_repeated(servers: Servers) -> None:
    used = []

    def read() -> NoReturn:
        used.append(read_alias())
        raise ProgrammingError("syntax error")

    with pytest.raises(ProgrammingError):
        read_from_replica(read)
    assert used == ["replica"]
    assert read_alias() == "default"


def test_lag_is_the_age_of_the_oldest_position_that_was_not_replayed() -> None:
    meter = LagMeter()
    assert meter.lag_s(0, 100, 100) == 0
    assert meter.lag_s(1, 200, 100) == 0  # written just now
    assert meter.lag_s(3, 300, 100) == 2
    assert meter.lag_s(4, 300, 200) == 1
    assert meter.lag_s(5, 300, 300) == 0


def test_idle_primary_causes_no_lag_and_a_stalled_replica_does() -> None:
    meter = LagMeter()
    assert [meter.lag_s(second, 100, 100) for second in range(0, 3600, 60)] == [0] * 60
    assert [meter.lag_s(3600 + second, 200, 100) for second in range(2000)][-1] == 1999
    assert len(meter._samples) <= replica.MAX_SAMPLES
