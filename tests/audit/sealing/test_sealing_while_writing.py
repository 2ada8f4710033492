"""Rows are sealed while others are being written; nothing is missed and nothing waits."""

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
from audit.models import AuditLog, AuditSeal
from audit.sealing import seals, verification
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, ROUNDS = 8, 40


@pytest.fixture(autouse=True)
def keyed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_SEAL_KEYS = ["the first key of the tests, long enough"]
    settings.AUDIT_CHECKPOINTS = []
    monkeypatch.setattr(seals, "MAX_ROWS", 25)


def write(somebody: User, **facts: Any) -> None:
    log.record(AuditLog.Action.USER_UPDATED, actor=None, target=somebody, **facts)


def sealed() -> Counter[int]:
    """Return how often each row is sealed."""
    leaves = (bytes(text) for text in AuditSeal.objects.values_list("leaves", flat=True))
    return Counter(verification._row_id(text[at : at + 40]) for text in leaves for at in range(0, len(text), 40))


class LateTransaction:
    """A transaction that has its number, and its row, long before it commits."""

    def __init__(self, somebody: User) -> None:
        self.somebody, self.began, self.may_commit = somebody, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        assert self.began.wait(10)

    def _run(self) -> None:
        with transaction.atomic():
            write(self.somebody, late=1)
            self.began.set()
            assert self.may_commit.wait(30)
            write(self.somebody, late=2)
        connections.close_all()

    def commit(self) -> None:
        self.may_commit.set()
        self.thread.join(10)


def test_a_transaction_that_commits_late_is_waited_for_and_not_missed() -> None:
    somebody = UserFactory.create()
    write(somebody)
    late = LateTransaction(somebody)
    write(somebody)  # begun later, committed earlier, and of a greater id than the late one's first row
    assert seals.seal() == [1]
    assert sealed().total() == 1  # not the one that stands behind the late ones
    late.commit()
    assert seals.seal() == [2]
    in_order = AuditLog.objects.order_by("transaction", "id").values_list("details", flat=True)
    assert list(in_order) == [{}, {"late": 1}, {"late": 2}, {}]
    assert sealed() == Counter(AuditLog.objects.values_list("pk", flat=True))
    assert verification.verify().problems == []


def keep_writing(somebody: User, number: int) -> None:
    for turn in range(ROUNDS):
        with suppress(ZeroDivisionError), transaction.atomic():
            write(somebody, writer=number, turn=turn)
            if turn % 3 == 0:
                with transaction.atomic():
                    write(somebody, writer=number, turn=turn, nested=True)
            time.sleep(0.001 * (turn % 4))
            if turn % 7 == 6:
                raise ZeroDivisionError  # ids that never appear
    connections.close_all()


def keep_sealing(is_over: threading.Event) -> None:
    while not is_over.is_set():
        seals.seal()
        time.sleep(0.002)
    connections.close_all()


def test_many_write_while_sealing_runs() -> None:
    somebody = UserFactory.create()
    late, is_over = LateTransaction(somebody), threading.Event()
    with ThreadPoolExecutor(WRITERS + 2) as pool:
        sealers = [pool.submit(keep_sealing, is_over) for _ in range(2)]
        writers = [pool.submit(keep_writing, somebody, number) for number in range(WRITERS)]
        writers[0].result(60)
        late.commit()
        for each in writers:
            each.result(60)
        is_over.set()
        for each in sealers:
            each.result(60)
    seals.seal()
    assert sealed() == Counter(AuditLog.objects.values_list("pk", flat=True))
    assert len(sealed()) > WRITERS * ROUNDS
    result = verification.verify()
    assert (result.problems, result.rows) == ([], len(sealed()))


def test_rows_that_are_being_sealed_keep_nobody_waiting(database_url: str) -> None:
    somebody = UserFactory.create()
    write(somebody)
    with transaction.atomic():
        assert seals.seal() == [1]  # its transaction is still open, and holds all its locks
        statement = "INSERT INTO audit_auditlog (timestamp, action, source, target, changed_fields, personal_digest) VALUES (now(), 'x', 'x', 'x', '{}', '')"
        with psycopg.connect(database_url, options="-c lock_timeout=200") as other:
            other.execute(statement)
    assert AuditLog.objects.count() == 2


def test_a_second_sealer_leaves_it_to_the_first(database_url: str) -> None:
    write(UserFactory.create())
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [seals.LOCK])
        began = time.monotonic()
        assert seals.seal() == []
        assert time.monotonic() - began < 2.5  # a lock would be waited for three seconds
    assert seals.seal() == [1]


def test_sealing_and_verifying_find_their_rows_by_an_index() -> None:
    last = AuditSeal(last_transaction=5, last_id=5, floor_id=seals.LOWEST)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
            )
        plan = seals.unsealed_rows(last).up_to(9, 9)[:10].explain()
    assert "audit_log_sealing" in plan
    assert "Sort" not in plan
