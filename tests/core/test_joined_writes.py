"""Joined writes are executed together, before any statement that would read stale rows."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import EndedSession, User
from audit import log
from audit.log import SYSTEM
from audit.models import AuditLog
from core.db.joined_writes import joined, take, update_all
from core.db.statements import insert_new
from tests.helpers.factories import BuilderProfileFactory, UserFactory

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def olive() -> User:
    return UserFactory.create(name="Olive")


def rename(user: User, name: str) -> None:
    user.name = name
    update_all([user], ["name"])


def audit(user: User) -> None:
    log.record(AuditLog.Action.USER_UPDATED, actor=SYSTEM, target=user)


def test_writes_of_several_tables_take_one_statement(
    olive: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    profile = BuilderProfileFactory.create()
    with django_assert_num_queries(1), joined():
        rename(olive, "Oliwia")
        profile.headline = "New"
        update_all([profile], ["headline"])
        audit(olive)
        audit(olive)
    olive.refresh_from_db()
    profile.refresh_from_db()
    assert (olive.name, profile.headline, AuditLog.objects.count()) == ("Oliwia", "New", 2)


def test_query_of_a_written_table_returns_the_new_values(olive: User) -> None:
    with joined():
        rename(olive, "Oliwia")
        assert User.objects.get().name == "Oliwia"
        audit(olive)
        assert AuditLog.objects.count() == 1


def test_query_of_another_table_does_not_flush_the_writes(olive: User) -> None:
    with CaptureQueriesContext(connection) as queries, joined():
        rename(olive, "Oliwia")
        assert not EndedSession.objects.exists()
        audit(olive)
    assert len(queries) == 2


def test_last_write_to_a_row_wins(olive: User) -> None:
    with joined():
        rename(olive, "Oliwia")
        olive.username = "olive"
        update_all([olive], ["username"])
        rename(User.objects.get(), "Ola")
        rename(olive, "Olga")
    olive.refresh_from_db()
    assert (olive.name, olive.username) == ("Olga", "olive")


def test_rows_with_different_fields_are_written(olive: User) -> None:
    vera = UserFactory.create(name="Vera")
    with joined():
        rename(olive, "Oliwia")
        vera.username = "vera"
        update_all([vera], ["username"])
    assert set(User.objects.values_list("name", "username")) == {("Oliwia", olive.username), ("Vera", "vera")}


def test_rolled_back_savepoint_keeps_earlier_writes(olive: User) -> None:
    with joined():
        rename(olive, "Oliwia")
        with suppress(RuntimeError), transaction.atomic():
            EndedSession.objects.create(session_id="sess_1", clerk_id="user_1", ended_at=MOMENT)
            raise RuntimeError
    olive.refresh_from_db()
    assert (olive.name, EndedSession.objects.count()) == ("Oliwia", 0)


def test_flushed_writes_before_a_savepoint_survive_its_rollback(olive: User) -> None:
    with joined():
        rename(olive, "Oliwia")
        with suppress(RuntimeError), transaction.atomic():
            assert User.objects.exists()  # executes the collected writes
            raise RuntimeError
    assert User.objects.get().name == "Oliwia"


def test_rolled_back_savepoint_discards_its_writes(olive: User) -> None:
    with joined():
        audit(olive)
        with suppress(RuntimeError), transaction.atomic():
            rename(olive, "Oliwia")
            audit(olive)
            raise RuntimeError
    assert (User.objects.get().name, AuditLog.objects.count()) == ("Olive", 1)


def test_rolled_back_savepoint_discards_writes_of_inner_savepoints(olive: User) -> None:
    with joined(), suppress(RuntimeError), transaction.atomic():
        with transaction.atomic():
            rename(olive, "Oliwia")
        raise RuntimeError
    assert User.objects.get().name == "Olive"


def test_successful_savepoint_keeps_its_writes(olive: User) -> None:
    with joined(), transaction.atomic():
        rename(olive, "Oliwia")
    assert User.objects.get().name == "Oliwia"


def test_failed_block_discards_its_writes_and_is_closed(olive: User) -> None:
    with suppress(RuntimeError), joined():
        rename(olive, "Oliwia")
        raise RuntimeError
    assert User.objects.get().name == "Olive"
    rename(olive, "Ola")
    assert User.objects.get().name == "Ola"


def test_nested_block_defers_its_writes_to_the_outer_block(
    olive: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1), joined():
        with joined():
            rename(olive, "Oliwia")
        audit(olive)
    assert AuditLog.objects.count() == 1


def test_writes_are_combined_with_an_insert(olive: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    session = EndedSession(session_id="sess_1", clerk_id="user_1", ended_at=MOMENT)
    with django_assert_num_queries(1), joined():
        rename(olive, "Oliwia")
        audit(olive)
        assert insert_new([session], key="session_id", also=take()) == [session]
    assert session.pk
    assert (User.objects.get().name, AuditLog.objects.count()) == ("Oliwia", 1)
