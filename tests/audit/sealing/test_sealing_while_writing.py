"""Sealing during concurrent writes does not miss rows or block writers."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from django.db import connection, connections, transaction
from pytest_django import Settings

from accounts.models import User
from audit import log
from audit.log import SYSTEM
from audit.models import AuditLog, AuditSeal
from audit.sealing import seals, verification
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, ROUNDS = 8, 40


@pytest.fixture(autouse=True)
def seal_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_SEAL_KEYS = ["the first key of the tests, long enough"]
    settings.AUDIT_CHECKPOINTS = []
    monkeypatch.setattr(seals, "MAX_ROWS", 25)


def write_row(user: User, **facts: Any) -> None:
    log.record(AuditLog.Action.USER_UPDATED, actor=SYSTEM, target=user, **facts)


def sealed_rows() -> Counter[int]:
    """Count how often each row is sealed."""
    leaves = (bytes(text) for text in AuditSeal.objects.values_list("leaves", flat=True))
    return Counter(verification._row_id(text[at : at + 40]) for text in leaves for at in range(0, len(text), 40))


class LateTransaction:
    """A transaction that gets an id and inserts a row long before it commits."""

    def __init__(self, user: User) -> None:
        self.user, self.began, self.may_commit = user, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.began.wait(10)

    def _run(self) -> None:
        with transaction.atomic():
            write_row(self.user, late=1)
            self.began.set()
            assert self.may_commit.wait(30)
            write_row(self.user, late=2)
        connections.close_all()

    def commit(self) -> None:
        self.may_commit.set()
        self.thread.join(10)


def test_rows_committed_late_are_sealed_after_the_commit() -> None:
    user = UserFactory.create()
    write_row(user)
    late = LateTransaction(user)
    write_row(user)  # Starts later and commits earlier, with a greater row id than the first row in `late`.
    assert seals.seal() == [1]
    assert sealed_rows().total() == 1  # Rows that sort after the rows in `late` must wait.
    late.commit()
    assert seals.seal() == [2]
    in_order = AuditLog.objects.order_by("transaction", "id").values_list("details", flat=True)
    assert list(in_order) == [{}, {"late": 1}, {"late": 2}, {}]
    assert sealed_rows() == Counter(AuditLog.objects.values_list("pk", flat=True))
    assert verification.verify().problems == []


def write_rows(user: User, number: int) -> None:
    for turn in range(ROUNDS):
        with suppress(ZeroDivisionError), transaction.atomic():
            write_row(user, writer=number, turn=turn)
            if turn % 3 == 0:
                with transaction.atomic():
                    write_row(user, writer=number, turn=turn, nested=True)
            time.sleep(0.001 * (turn % 4))
            if turn % 7 == 6:
                raise ZeroDivisionError  # This leaves gaps in the ids.
    connections.close_all()


def seal_until(writers_done: threading.Event) -> None:
    while not writers_done.is_set():
        seals.seal()
        time.sleep(0.002)
    connections.close_all()


def test_every_row_is_sealed_once_with_concurrent_writers_and_sealers() -> None:
    user = UserFactory.create()
    late, writers_done = LateTransaction(user), threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        sealers = [pool.submit(seal_until, writers_done) for _ in range(2)]
        writers = [pool.submit(write_rows, user, number) for number in range(WRITERS)]
        writers[0].result(60)
        late.commit()
        for each in writers:
            each.result(60)
        writers_done.set()
        for each in sealers:
            each.result(60)
    seals.seal()
    assert sealed_rows() == Counter(AuditLog.objects.values_list("pk", flat=True))
    assert len(sealed_rows()) > WRITERS * ROUNDS
    result = verification.verify()
    assert (result.problems, result.rows) == ([], len(sealed_rows()))


def test_sealing_does_not_block_inserts(database_url: str) -> None:
    user = UserFactory.create()
    write_row(user)
    with transaction.atomic():
        assert seals.seal() == [1]  # The transaction stays open and holds its locks.
        statement = "INSERT INTO audit_auditlog (timestamp, action, source, target, changed_fields, personal_digest) VALUES (now(), 'x', 'x', 'x', '{}', '')"
        with psycopg.connect(database_url, options="-c lock_timeout=200") as other:
            other.execute(statement)
    assert AuditLog.objects.count() == 2


def test_second_sealer_does_nothing_while_the_first_runs(database_url: str) -> None:
    write_row(UserFactory.create())
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [seals.LOCK])
        started = time.monotonic()
        assert seals.seal() == []
        assert time.monotonic() - started < 2.5  # lock_timeout is three seconds
    assert seals.seal() == [1]


def test_sealing_and_verification_use_the_index() -> None:
    last = AuditSeal(last_transaction=5, last_id=5, floor_id=seals.LOWEST)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
            )
        plan = seals.unsealed_rows(last).up_to(9, 9)[:10].explain()
    assert "audit_log_sealing" in plan
    assert "Sort" not in plan
