"""Advisory locks that span several transactions."""

from collections.abc import Iterator

import psycopg
import pytest

from core.db.locks import try_lock

LOCK = 4711
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
HOLDER = """
SELECT state, backend_xid IS NULL AND backend_xmin IS NULL
FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND objid = %s
"""


@pytest.fixture
def other(database_url: str, transactional_db: None) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_lock_excludes_a_second_holder_and_is_released(other: psycopg.Connection) -> None:
    with try_lock(LOCK) as first, try_lock(LOCK) as second:
        assert (first, second) == (True, False)
    assert other.execute(HELD, [LOCK]).fetchone() == (0,)
    with try_lock(LOCK) as again:
        assert again


def test_lock_is_released_after_an_error(other: psycopg.Connection) -> None:
    with pytest.raises(RuntimeError, match="stopped"), try_lock(LOCK):
        raise RuntimeError("stopped")
    assert other.execute(HELD, [LOCK]).fetchone() == (0,)


def test_lock_does_not_delay_vacuum_or_sealing(other: psycopg.Connection) -> None:
    with try_lock(LOCK):
        assert other.execute(HOLDER, [LOCK]).fetchone() == ("idle in transaction", True)


def test_lost_connection_does_not_hide_the_result_of_the_block(other: psycopg.Connection) -> None:
    with try_lock(LOCK) as is_held:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = %s", [LOCK])
    assert is_held
