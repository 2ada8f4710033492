"""Session timeouts behind a pooler that drops start-up options."""

import psycopg
import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.db import timeouts

RESET = "ALTER ROLE CURRENT_USER IN DATABASE {database} RESET ALL"


def without_options(database_url: str) -> tuple[object, ...]:
    """Return the timeouts in a session opened without start-up options."""
    with psycopg.connect(database_url) as session:
        found = session.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
        ).fetchone()
    assert found
    return found


@pytest.mark.django_db(transaction=True)
def test_migrate_sets_the_timeouts_as_role_defaults(database_url: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(RESET.format(database=connection.ops.quote_name(connection.settings_dict["NAME"])))
    assert without_options(database_url) == ("0", "0")
    call_command("migrate", verbosity=0)
    assert without_options(database_url) == ("3s", "30s")


@pytest.mark.django_db
def test_manually_set_timeouts_are_kept() -> None:
    with connection.cursor() as cursor:
        database = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET lock_timeout = '5s'")
        timeouts.set_role_defaults()
        cursor.execute("SELECT setconfig FROM pg_db_role_setting WHERE setdatabase <> 0")
        assert cursor.fetchall() == [(["lock_timeout=5s", "statement_timeout=30000"],)]


@pytest.mark.django_db
def test_second_migration_changes_nothing() -> None:
    with CaptureQueriesContext(connection) as statements:
        timeouts.set_role_defaults()
    assert [each["sql"] for each in statements if "ALTER" in each["sql"]] == []


@pytest.mark.django_db
def test_check_reports_missing_timeouts_and_the_fix() -> None:
    assert run_checks(databases=["default"], tags=["database"]) == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
    [found] = run_checks(databases=["default"], tags=["database"])
    assert (found.id, found.msg) == (
        "core.W001",
        "Database sessions have no lock_timeout, because the pooler drops start-up options.",
    )
    assert 'ALTER ROLE "postgres" IN DATABASE' in (found.hint or "")
    assert "SET lock_timeout = 3000" in (found.hint or "")
