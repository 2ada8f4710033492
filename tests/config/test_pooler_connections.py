"""Statements are prepared behind a pooler only if it supports prepared statements."""

from collections.abc import Iterator

import psycopg
import pytest

from config.database import PREPARE_THRESHOLD, check_pooler_connection
from tests.helpers.servers.pgbouncer import pgbouncer, version
from tests.helpers.servers.renaming_pooler import renaming_pooler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def old_pooler_url(database_url: str) -> Iterator[str]:
    """The URL of a pooler that does not support prepared statements."""
    settings = {"max_prepared_statements": "0"} if version() >= (1, 21) else {}
    with pgbouncer(database_url, pool_size=1, **settings) as url:
        yield url


@pytest.fixture(scope="module")
def new_pooler_url(database_url: str) -> Iterator[str]:
    with renaming_pooler(database_url) as url:
        yield url


def test_new_pooler_prepares_statements(new_pooler_url: str) -> None:
    with psycopg.connect(new_pooler_url, prepare_threshold=None) as connection:
        check_pooler_connection(connection)
        assert connection.prepare_threshold == PREPARE_THRESHOLD
        for number in range(2 * PREPARE_THRESHOLD):
            assert connection.execute("SELECT %s::int", [number]).fetchone() == (number,)
        [count] = connection.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'PGBOUNCER\\_%'"
        ).fetchone() or (0,)
        assert count > 1


@pytest.mark.parametrize("autocommit", (True, False))
def test_old_pooler_works_without_prepared_statements(old_pooler_url: str, *, autocommit: bool) -> None:
    with (
        psycopg.connect(old_pooler_url, autocommit=autocommit, prepare_threshold=None) as connection,
        psycopg.connect(old_pooler_url, autocommit=True, prepare_threshold=None) as other,
    ):
        check_pooler_connection(connection)
        assert connection.prepare_threshold is None
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.autocommit is autocommit
        assert other.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE 'probe%'").fetchall() == []


def test_connection_is_tested_once(old_pooler_url: str) -> None:
    with psycopg.connect(old_pooler_url, prepare_threshold=None) as connection:
        check_pooler_connection(connection)
        connection.prepare_threshold = 7
        check_pooler_connection(connection)
        assert connection.prepare_threshold == 7
