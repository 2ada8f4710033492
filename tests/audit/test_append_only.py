"""Nobody changes the audit log, except that what is personal may be erased."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import ProgrammingError, transaction
from psycopg import errors, sql

from accounts.models import User
from audit.models import AppendOnlyError, AuditLog
from tests.audit.rows import PERSONAL, a_row, run

pytestmark = pytest.mark.django_db

# --- Append only ---

CHANGED_BY_PYTHON: dict[str, Callable[[AuditLog], Any]] = {
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


@pytest.mark.parametrize("change", CHANGED_BY_PYTHON.values(), ids=CHANGED_BY_PYTHON)
def test_no_verb_of_the_model_changes_a_row(change: Callable[[AuditLog], Any]) -> None:
    row = a_row()
    [before] = AuditLog.objects.values()
    with pytest.raises(AppendOnlyError, match="never"):
        change(row)
    assert list(AuditLog.objects.values()) == [before]


def test_the_manager_has_no_delete() -> None:
    assert not hasattr(AuditLog.objects, "delete")


COLUMNS = [field.column for field in AuditLog._meta.concrete_fields]
#: A value of its type that is another than that of `a_row`.
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


def assert_refused(statement: str) -> None:
    before = list(AuditLog.objects.values())
    with pytest.raises(ProgrammingError, match="append-only") as caught:
        run(statement)
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
def test_the_database_refuses_whatever_changes_rows(statement: str) -> None:
    a_row()
    assert_refused(statement)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_database_refuses_another_value_in_every_column(column: str) -> None:
    a_row()
    assert_refused(f'UPDATE audit_auditlog SET "{column}" = {OTHER[column]}')


@pytest.mark.parametrize("column", ("actor_id", "subject_id", "delivery", "impersonator"))
def test_the_database_refuses_to_forget_what_is_not_personal(column: str) -> None:
    a_row()
    assert_refused(f"UPDATE audit_auditlog SET {column} = NULL")


def test_the_database_refuses_a_row_that_is_saved_over_another() -> None:
    row = a_row()
    impostor = AuditLog.objects.get()
    impostor._state.adding = True
    impostor.action = "X"
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        impostor.save()
    assert AuditLog.objects.get().action == row.action


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("statement", ("UPDATE", "DELETE", "TRUNCATE"))
def test_the_database_refuses_it_to_everybody(database_url: str, statement: str) -> None:
    a_row()
    [before] = AuditLog.objects.values()
    with psycopg.connect(database_url) as stranger, pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        stranger.execute(sql.SQL(STATEMENTS[statement]))
    assert list(AuditLog.objects.values()) == [before]


def test_deleting_a_person_leaves_the_history() -> None:
    row = a_row()
    before = list(AuditLog.objects.values())
    User.objects.filter(pk__in=[row.actor_id, row.subject_id]).delete()
    assert list(AuditLog.objects.values()) == before


# --- Erasure ---


@pytest.mark.parametrize("column", PERSONAL)
def test_a_personal_column_may_be_erased_for_ever(column: str) -> None:
    row = a_row()
    assert run(f"UPDATE audit_auditlog SET {column} = NULL") == 1
    after: dict[str, Any] = dict(AuditLog.objects.values().get())
    assert after.pop(column) is None
    assert after.items() <= vars(row).items()
    assert run(f"UPDATE audit_auditlog SET {column} = NULL") == 1  # a repeat is no harm
    assert_refused(f"UPDATE audit_auditlog SET {column} = {OTHER[column]}")


@pytest.mark.parametrize("column", ("personal_salt", "actor_salt"))
def test_a_salt_may_go_with_what_it_salts(column: str) -> None:
    a_row()
    assert run(f"UPDATE audit_auditlog SET {column} = NULL") == 1
    assert_refused(f"UPDATE audit_auditlog SET {column} = {OTHER[column]}")


def test_all_personal_columns_may_be_erased_at_once() -> None:
    a_row()
    assert run(f"UPDATE audit_auditlog SET {', '.join(f'{column} = NULL' for column in PERSONAL)}") == 1
    assert AuditLog.objects.values_list(*PERSONAL).get() == (None,) * len(PERSONAL)


@pytest.mark.parametrize("smuggled", [column for column in COLUMNS if column != "user_agent"])
def test_erasure_hides_no_other_change(smuggled: str) -> None:
    a_row()
    assert_refused(f'UPDATE audit_auditlog SET user_agent = NULL, "{smuggled}" = {OTHER[smuggled]}')


def test_an_update_that_changes_nothing_is_let_through() -> None:
    a_row()
    assert run("UPDATE audit_auditlog SET action = action, details = details") == 1
