"""The audit log cannot be changed, except that personal data can be erased."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import ProgrammingError, transaction
from psycopg import errors, sql

from accounts.models import User
from audit import log
from audit.log import SYSTEM, Actor
from audit.models import AppendOnlyError, AuditLog
from tests.audit.rows import PERSONAL, create_row, execute, mark_erased
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db

# --- Append only ---

PYTHON_CHANGES: dict[str, Callable[[AuditLog], Any]] = {
    "save": lambda row: row.save(),
    "save of a field": lambda row: row.save(update_fields=["details"]),
    "forced insert": lambda row: row.save(force_insert=True),
    "delete": lambda row: row.delete(),
    "update": lambda row: AuditLog.objects.update(action="X"),
    "filtered update": lambda row: AuditLog.objects.filter(pk=row.pk).update(details=None),
    "update of nothing": lambda row: AuditLog.objects.none().update(action="X"),
    "queryset delete": lambda row: AuditLog.objects.all().delete(),
    "filtered delete": lambda row: AuditLog.objects.filter(pk=row.pk).delete(),
    "raw delete": lambda row: AuditLog.objects.all()._raw_delete("default"),
    "bulk_update": lambda row: AuditLog.objects.bulk_update([row], ["details"]),
    "update_or_create": lambda row: AuditLog.objects.update_or_create({"action": "X"}, pk=row.pk),
}


@pytest.mark.parametrize("change", PYTHON_CHANGES.values(), ids=PYTHON_CHANGES)
def test_model_and_queryset_methods_reject_changes(change: Callable[[AuditLog], Any]) -> None:
    row = create_row()
    [before] = AuditLog.objects.values()
    with pytest.raises(AppendOnlyError, match="cannot be"):
        change(row)
    assert list(AuditLog.objects.values()) == [before]


def test_manager_has_no_delete_method() -> None:
    assert not hasattr(AuditLog.objects, "delete")


COLUMNS = [field.column for field in AuditLog._meta.concrete_fields]
#: A valid value for each column that differs from the value in `create_row`.
OTHER = {
    **dict.fromkeys(("id", "actor_id", "subject_id", "transaction"), "999999"),
    **dict.fromkeys(
        ("action", "source", "target", "delivery", "impersonator", "actor_label", "target_label", "user_agent"), "'x'"
    ),
    **dict.fromkeys(("personal_salt", "actor_salt", "column_digests", "personal_digest"), r"'\x00'"),
    "timestamp": "timestamp + interval '1 microsecond'",
    "changed_fields": "'{}'",
    "details": """'{"name": ["Old", "Newer"]}'""",
    "ip_address": "'203.0.113.10'",
}


def assert_rejected(statement: str) -> None:
    before = list(AuditLog.objects.values())
    with pytest.raises(ProgrammingError, match="append-only") as caught:
        execute(statement)
    assert isinstance(caught.value.__cause__, errors.InsufficientPrivilege)
    assert list(AuditLog.objects.values()) == before


STATEMENTS = {
    "UPDATE": "UPDATE audit_auditlog SET action = 'x'",
    "UPDATE of some": "UPDATE audit_auditlog SET action = 'x' WHERE id > 0",
    "DELETE": "DELETE FROM audit_auditlog",
    "DELETE of some": "DELETE FROM audit_auditlog WHERE id > 0",
    "TRUNCATE": "TRUNCATE audit_auditlog",
    "TRUNCATE CASCADE": "TRUNCATE audit_auditlog CASCADE",
    "TRUNCATE with others": "TRUNCATE webhooks_eventcount, audit_auditlog",
    "upsert": """
        INSERT INTO audit_auditlog SELECT * FROM audit_auditlog ON CONFLICT (id) DO UPDATE SET action = 'x'""",
    "MERGE": """
        MERGE INTO audit_auditlog old USING audit_auditlog new ON old.id = new.id WHEN MATCHED THEN DELETE""",
    "CTE": "WITH gone AS (DELETE FROM audit_auditlog RETURNING 1) SELECT count(*) FROM gone",
}


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_database_rejects_statements_that_change_rows(statement: str) -> None:
    create_row()
    assert_rejected(statement)


@pytest.mark.parametrize("column", COLUMNS)
def test_database_rejects_a_new_value_in_every_column(column: str) -> None:
    create_row()
    assert_rejected(f'UPDATE audit_auditlog SET "{column}" = {OTHER[column]}')


@pytest.mark.parametrize("column", ("actor_id", "subject_id", "delivery", "impersonator"))
def test_database_rejects_null_in_columns_that_are_not_personal(column: str) -> None:
    create_row()
    assert_rejected(f"UPDATE audit_auditlog SET {column} = NULL")


def test_database_rejects_saving_over_an_existing_row() -> None:
    row = create_row()
    duplicate = AuditLog.objects.get()
    duplicate._state.adding = True
    duplicate.action = "X"
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        duplicate.save()
    assert AuditLog.objects.get().action == row.action


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", ("UPDATE", "DELETE", "TRUNCATE"))
def test_database_rejects_changes_from_other_connections(database_url: str, statement: str) -> None:
    create_row()
    [before] = AuditLog.objects.values()
    with (
        psycopg.connect(database_url) as other_connection,
        pytest.raises(errors.InsufficientPrivilege, match="append-only"),
    ):
        other_connection.execute(sql.SQL(STATEMENTS[statement]))
    assert list(AuditLog.objects.values()) == [before]


def test_deleting_users_keeps_their_audit_rows() -> None:
    row = create_row()
    before = list(AuditLog.objects.values())
    User.objects.filter(pk__in=[row.actor_id, row.subject_id]).delete()
    assert list(AuditLog.objects.values()) == before


# --- Erasure ---

SUBJECTS = ["target_label", "details", "personal_salt"]
ACTORS = ["actor_label", "ip_address", "user_agent", "actor_salt"]


def erasable_row(**facts: Any) -> AuditLog:
    """Create a row whose actor and subject are marked as erased."""
    row = create_row(**facts)
    mark_erased(row.actor_id, row.subject_id)
    return row


def erase(row: AuditLog, *columns: str) -> int:
    return execute(f"UPDATE audit_auditlog SET {', '.join(f'{name} = NULL' for name in columns)} WHERE id = {row.pk}")


@pytest.mark.parametrize("column", PERSONAL)
def test_erasing_a_personal_column_is_permanent(column: str) -> None:
    row = erasable_row()
    assert erase(row, column) == 1
    after: dict[str, Any] = dict(AuditLog.objects.values().get(pk=row.pk))
    assert after.pop(column) is None
    assert after.items() <= vars(row).items()
    assert erase(row, column) == 1  # Erasing a column again is allowed.
    assert_rejected(f"UPDATE audit_auditlog SET {column} = {OTHER[column]} WHERE id = {row.pk}")


@pytest.mark.parametrize("column", ("personal_salt", "actor_salt"))
def test_erasing_a_salt_is_permanent(column: str) -> None:
    row = erasable_row()
    assert erase(row, column) == 1
    assert_rejected(f"UPDATE audit_auditlog SET {column} = {OTHER[column]} WHERE id = {row.pk}")


def test_all_personal_columns_can_be_erased_at_once() -> None:
    row = erasable_row()
    assert erase(row, *PERSONAL) == 1
    assert AuditLog.objects.values_list(*PERSONAL).get(pk=row.pk) == (None,) * len(PERSONAL)


@pytest.mark.parametrize("column", [column for column in COLUMNS if column != "user_agent"])
def test_erasure_with_another_change_is_rejected(column: str) -> None:
    row = erasable_row()
    assert_rejected(f'UPDATE audit_auditlog SET user_agent = NULL, "{column}" = {OTHER[column]} WHERE id = {row.pk}')


@pytest.mark.parametrize("column", (*SUBJECTS, *ACTORS))
def test_columns_of_users_who_are_not_erased_cannot_be_erased(column: str) -> None:
    row = create_row()
    assert_rejected(f"UPDATE audit_auditlog SET {column} = NULL WHERE id = {row.pk}")


def test_each_column_is_erased_with_its_own_user() -> None:
    row = create_row()
    mark_erased(row.subject_id)
    for column in ACTORS:
        assert_rejected(f"UPDATE audit_auditlog SET {column} = NULL WHERE id = {row.pk}")
    assert erase(row, *SUBJECTS) == 1
    mark_erased(row.actor_id)
    assert erase(row, *ACTORS) == 1


def test_erasure_requires_both_the_mark_and_the_audit_row() -> None:
    row = create_row()
    User.objects.filter(pk=row.subject_id).update(erased_at=row.timestamp)
    assert_rejected(f"UPDATE audit_auditlog SET details = NULL WHERE id = {row.pk}")
    mark_erased(row.subject_id)
    User.objects.filter(pk=row.subject_id).update(erased_at=None)
    assert_rejected(f"UPDATE audit_auditlog SET details = NULL WHERE id = {row.pk}")


def test_temporary_table_does_not_bypass_the_trigger() -> None:
    row = create_row()
    with transaction.atomic():
        execute(
            f"CREATE TEMP TABLE accounts_user ON COMMIT DROP AS SELECT {row.subject_id}::bigint id, now() erased_at"
        )
        execute(
            "CREATE TEMP TABLE audit_auditlog ON COMMIT DROP AS "
            f"SELECT {row.subject_id}::bigint subject_id, 'PERSON_ERASED' action"
        )
        with pytest.raises(ProgrammingError, match="append-only"):
            execute("UPDATE public.audit_auditlog SET details = NULL")
        transaction.set_rollback(True)


@pytest.mark.parametrize("action", sorted(AuditLog.PERMANENT_DETAILS))
def test_roles_and_groups_cannot_be_erased(action: str) -> None:
    adam, olive = UserFactory.create(), UserFactory.create()
    log.record(AuditLog.Action(action), actor=Actor(user=adam), target=olive, role="ADMIN")
    row = AuditLog.objects.latest("pk")
    mark_erased(adam, olive)
    assert_rejected(f"UPDATE audit_auditlog SET details = NULL WHERE id = {row.pk}")
    assert erase(row, "target_label", "personal_salt") == 1


def test_rows_without_users_cannot_be_erased() -> None:
    log.record(AuditLog.Action.FLAG_SWITCHED, actor=SYSTEM, target=ContentType.objects.first() or ContentType())
    assert_rejected("UPDATE audit_auditlog SET details = NULL")


def test_update_without_changes_is_allowed() -> None:
    create_row()
    assert execute("UPDATE audit_auditlog SET action = action, details = details") == 1
