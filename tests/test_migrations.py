"""Migrations must not break or block the previous release. See docs/how-to/change_the_schema.md."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import Q

pytestmark = pytest.mark.django_db(transaction=True)

APPS = ("accounts", "audit", "profiles", "webhooks")
#: The last migrations of the first release. Older versions never run at the same time as these.
FIRST_RELEASE = {
    ("accounts", "0001_initial"),
    ("accounts", "0002_first_flags"),
    ("audit", "0001_initial"),
    ("audit", "0002_append_only"),
    ("profiles", "0001_initial"),
    ("profiles", "0002_first_synonyms"),
    ("webhooks", "0001_initial"),
    ("webhooks", "0002_changed_in_trigger"),
    ("webhooks", "0003_job_indexes"),
}
SQUAWK = Path(sys.executable).with_name("squawk")
#: Excluded rules: rules about style, and rules about timeouts, which our connections always set.
EXCLUDED = (
    *("prefer-text-field", "prefer-robust-stmts", "prefer-identity", "prefer-bigint-over-int"),
    *(
        "require-timeout-settings",
        "require-lock-timeout",
        "require-statement-timeout",
        "ban-concurrent-index-creation-in-transaction",
    ),
)


def problems_of(sql: str, *, is_atomic: bool = True) -> list[str]:
    """Return the names of the rules that `sql` violates: squawk's rules, and one additional rule.

    Args:
        is_atomic: whether one transaction contains all of `sql`. Indexes and foreign keys of a table that the same
            transaction creates then block no queries for long, because the table is empty.
    """
    command = [str(SQUAWK), "--pg-version=15", "--reporter=Json", f"--exclude={','.join(EXCLUDED)}"]
    command += ["--assume-in-transaction"] if is_atomic else []
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    found = [each["rule_name"] for each in json.loads(done.stdout or "[]")]
    # Django fills existing rows with a Python default and then drops it, so the previous release cannot insert rows.
    return found + (["python-default-only"] if "DROP DEFAULT" in sql else [])


def sql_of(operations: Sequence[Operation], app: str, state: Any) -> str:
    """Return the SQL of `operations` for the schema in `state`."""
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        for operation in operations:
            after = state.clone()
            operation.state_forwards(app, after)
            if operation.reduces_to_sql:
                operation.database_forwards(app, editor, state, after)
            state = after
    return "\n".join(editor.collected_sql)


def later_migrations() -> list[tuple[str, str]]:
    names = MigrationLoader(None).disk_migrations
    return sorted(key for key in names if key[0] in APPS and key not in FIRST_RELEASE)


def test_migrations_are_compatible_with_the_previous_release() -> None:
    loader, found = MigrationLoader(connection), {}
    for app, name in later_migrations():
        migration = loader.disk_migrations[app, name]
        before = loader.project_state([(app, name)], at_end=False)
        sql = sql_of(migration.operations, app, before)
        found[f"{app}.{name}"] = problems_of(sql, is_atomic=migration.atomic)
    assert {name: problems for name, problems in found.items() if problems} == {}


UNSAFE = {
    "a required column": (
        [migrations.AddField("project", "client", models.CharField(max_length=80, default=""))],
        "python-default-only",
    ),
    "a renamed column": ([migrations.RenameField("project", "title", "name")], "renaming-column"),
    "a removed column": ([migrations.RemoveField("project", "title")], "ban-drop-column"),
    "a renamed table": ([migrations.RenameModel("project", "work")], "renaming-table"),
    "a dropped table": ([migrations.DeleteModel("badge")], "ban-drop-table"),
    "a changed type": (
        [migrations.AlterField("project", "position", models.TextField(default=""))],
        "changing-column-type",
    ),
    "a column that stops being NULL": (
        [migrations.AlterField("projectimage", "width", models.PositiveIntegerField(db_default=0))],
        "adding-not-nullable-field",
    ),
    "an index that blocks writes": (
        [migrations.AddIndex("project", models.Index(fields=["status"], name="profiles_project_status"))],
        "require-concurrent-index-creation",
    ),
    "a constraint that scans the table": (
        [
            migrations.AddConstraint(
                "project", models.CheckConstraint(condition=Q(position__gte=0), name="profiles_project_position")
            )
        ],
        "constraint-missing-not-valid",
    ),
}
SAFE: dict[str, list[Operation]] = {
    "a column with a database default": [
        migrations.AddField("project", "client", models.CharField(max_length=80, default="", db_default=""))
    ],
    "a column that may be NULL": [migrations.AddField("project", "client", models.TextField(null=True))],
    "an index built concurrently": [
        AddIndexConcurrently("project", models.Index(fields=["status"], name="profiles_project_status"))
    ],
    "a constraint that is not validated yet": [
        AddConstraintNotValid(
            "project", models.CheckConstraint(condition=Q(position__gte=0), name="profiles_project_position")
        )
    ],
    "a constraint that is validated later": [ValidateConstraint("project", "profiles_project_position")],
    "a column that no released version uses any more": [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    ["-- squawk-ignore ban-drop-column\nALTER TABLE profiles_project DROP COLUMN title"],
                    migrations.RunSQL.noop,
                )
            ]
        )
    ],
    "a table": [
        migrations.CreateModel("note", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())])
    ],
}


@pytest.mark.parametrize(("operations", "rule"), UNSAFE.values(), ids=UNSAFE)
def test_unsafe_operation_is_rejected(operations: list[Operation], rule: str) -> None:
    assert rule in problems_of(sql_of(operations, "profiles", MigrationLoader(connection).project_state()))


@pytest.mark.parametrize("operations", SAFE.values(), ids=SAFE)
def test_safe_operation_is_accepted(operations: list[Operation]) -> None:
    assert problems_of(sql_of(operations, "profiles", MigrationLoader(connection).project_state())) == []
