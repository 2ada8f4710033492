"""A migration that is interrupted leaves nothing behind, or its index is reported with the way to repair it."""

from collections.abc import Iterator
from typing import NoReturn

import psycopg
import pytest
from django.apps.registry import Apps
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.checks import run_checks
from django.db import OperationalError, ProgrammingError, connection, migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

INDEX = "profiles_project_interrupted"
pytestmark = pytest.mark.django_db(transaction=True)


def apply(*operations: Operation, atomic: bool) -> None:
    attributes = {"operations": list(operations), "atomic": atomic}
    migration: migrations.Migration = type("Migration", (migrations.Migration,), attributes)("interrupted", "profiles")
    state = MigrationLoader(connection).project_state()
    with connection.schema_editor(atomic=atomic) as editor:
        migration.apply(state, editor)


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def columns() -> set[str]:
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, "profiles_project")}


@pytest.fixture
def cleanup() -> Iterator[None]:
    yield
    execute(f"DROP INDEX IF EXISTS {INDEX}")


def test_interrupted_migration_is_rolled_back() -> None:
    def fail(apps: Apps, editor: BaseDatabaseSchemaEditor) -> NoReturn:
        raise OperationalError("terminating connection due to administrator command")

    before = columns()
    operations = migrations.AddField("project", "client", models.TextField(null=True)), migrations.RunPython(fail)
    with pytest.raises(OperationalError):
        apply(*operations, atomic=True)
    assert columns() == before


@pytest.mark.usefixtures("cleanup")
def test_interrupted_index_is_reported_and_created_again(database_url: str) -> None:
    operation = AddIndexConcurrently("project", models.Index(fields=["status"], name=INDEX))
    with psycopg.connect(database_url) as writer:
        writer.execute("DELETE FROM profiles_project")  # the index cannot be completed during this transaction
        execute("SET statement_timeout = 300")
        try:
            with pytest.raises(OperationalError):
                apply(operation, atomic=False)
        finally:
            execute("RESET statement_timeout")
    with pytest.raises(ProgrammingError, match=f'"{INDEX}" already exists'):
        apply(operation, atomic=False)
    [found] = run_checks(databases=["default"], tags=["database"])
    assert (found.id, INDEX in found.msg) == ("core.W002", True)
    assert found.hint
    execute(found.hint.partition("“")[2].partition("”")[0])
    apply(operation, atomic=False)
    assert run_checks(databases=["default"], tags=["database"]) == []
