"""Rows written as JSON are stored like rows saved by Django."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import psycopg
import pytest
from django.db import DatabaseError, connection
from django.forms import model_to_dict
from pytest_django import DjangoAssertNumQueries

from accounts.models import EndedSession, MetadataPush, User
from audit.models import AuditLog
from config.database import PREPARE_THRESHOLD
from core.db import statements
from profiles.models import BuilderProfile
from tests.helpers.factories import BuilderProfileFactory, UserFactory
from webhooks.models import WebhookEvent

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=UTC)
TEXT = 'quotes " and \\, lines\n\t\x1f, É 美 \U0001f680 and {"json": [null]}'


def test_repeated_hot_statements_are_prepared() -> None:
    """The server neither parses nor plans a prepared statement again."""
    for number in range(PREPARE_THRESHOLD + 1):
        with statements.hot_cursor() as cursor:
            cursor.execute("SELECT %s::int + 15", [number])
            assert cursor.fetchone() == (number + 15,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%+ 15'", [])
        assert cursor.fetchone() == (1,)


def test_every_kind_of_value_is_stored_unchanged() -> None:
    event = WebhookEvent(
        svix_id="msg_1",
        payload=TEXT,
        state="processed",
        received_at=MOMENT,
        last_delivery_at=MOMENT,
        processed_at=MOMENT,
        duration=timedelta(days=1, microseconds=7),
        headers={"a": [1, None, {"b": TEXT}]},
        source_address="2001:db8::1",
    )
    assert statements.insert_if_new(event)
    stored = WebhookEvent.objects.get()
    assert model_to_dict(stored) == model_to_dict(event)
    row = AuditLog(
        timestamp=MOMENT, action="USER_CREATED", source="system", target="x", changed_fields=["a", TEXT[:40]],
        details={"rate": [None, 1.5]}, personal_salt=b"\x00\xff", personal_digest=b"", target_label="",
    )  # fmt: skip
    statements.execute([statements.insert_statement([row])])
    read = AuditLog.objects.get()
    assert (read.changed_fields, read.details, bytes(read.personal_salt or b"")) == (
        row.changed_fields,
        row.details,
        row.personal_salt,
    )
    assert (read.timestamp, read.target_label, read.actor_label, read.actor_salt) == (MOMENT, "", None, None)


def test_several_rows_are_updated_with_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    profiles = BuilderProfileFactory.create_batch(3)
    for number, profile in enumerate(profiles):
        profile.hourly_rate, profile.skills = Decimal(f"{number + 1}.50"), [TEXT[:40]] * number
    with django_assert_num_queries(1):
        statements.update_all(profiles, ["hourly_rate", "skills"])
    assert {profile.hourly_rate for profile in BuilderProfile.objects.all()} == {
        Decimal("1.50"),
        Decimal("2.50"),
        Decimal("3.50"),
    }
    assert sorted(len(profile.skills) for profile in BuilderProfile.objects.all()) == [0, 1, 2]


def test_updating_a_missing_row_is_an_error() -> None:
    users = [UserFactory.create(), UserFactory.build(pk=10**9)]
    with pytest.raises(DatabaseError, match="does not exist"):
        statements.update_all(users, ["name"])


def test_only_new_rows_are_inserted_and_get_their_keys() -> None:
    rows = [EndedSession(session_id=f"sess_{number}", clerk_id="user_1", ended_at=MOMENT) for number in range(3)]
    EndedSession.objects.create(session_id="sess_1", clerk_id="user_2", ended_at=MOMENT)
    inserted = statements.insert_new(rows, key="session_id")
    assert [row.session_id for row in inserted] == ["sess_0", "sess_2"]
    assert {row.pk for row in inserted} < set(EndedSession.objects.values_list("pk", flat=True))
    assert statements.insert_new(rows, key="session_id") == []


def test_locked_rows_equal_rows_read_by_django() -> None:
    users = [UserFactory.create(clerk_metadata={"hourlyRate": 90}, roles=["BUILDER"]) for _ in range(2)]
    push = MetadataPush.objects.create(user=users[0], state="pending", requested_at=MOMENT, next_attempt_at=MOMENT)
    locked = statements.lock(
        User, "clerk_id", [user.clerk_id for user in users[::-1]], annotations=(("twice", "accounts_user.id * 2"),)
    )
    assert [model_to_dict(user) for user in locked] == [model_to_dict(user) for user in User.objects.order_by("pk")]
    assert [cast(Any, user).twice for user in locked] == [user.pk * 2 for user in users]
    assert statements.lock(MetadataPush, "user_id", [users[1].pk]) == []
    assert statements.lock(MetadataPush, "user_id", [users[0].pk], condition="state = 'pending'") == [push]


def test_deferred_columns_are_not_loaded() -> None:
    profile = BuilderProfileFactory.create()
    [locked] = statements.lock(BuilderProfile, "id", [profile.pk])
    assert "search" in locked.get_deferred_fields()


@pytest.mark.django_db(transaction=True)
def test_rows_locked_by_others_can_be_skipped(database_url: str) -> None:
    users = UserFactory.create_batch(2)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM accounts_user WHERE id = %s FOR UPDATE", [users[0].pk])
        connection.set_autocommit(False)
        try:
            assert statements.lock(User, "id", [user.pk for user in users], skip_locked=True) == [users[1]]
        finally:
            connection.rollback()
            connection.set_autocommit(True)
