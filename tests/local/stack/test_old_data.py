"""Data from an older version is rejected before `migrate` runs."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from local.errors import SetupError
from local.stack import old_data

ADVICE = "delete the folder and start again."
MESSAGE = r"^The data was created by an older version and cannot be upgraded; delete the folder and start again\.$"


class FakeDatabase:
    """A PostgreSQL that contains only records of applied migrations."""

    def __init__(self, applied: list[tuple[str, str]] | None) -> None:
        self.applied = applied

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str) -> Self:
        return self

    def fetchone(self) -> tuple[str | None]:
        return ("django_migrations" if self.applied is not None else None,)

    def fetchall(self) -> list[tuple[str, str]]:
        return self.applied or []


class TestDatabase:
    @pytest.fixture
    def check(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def run(applied: list[tuple[str, str]] | None) -> None:
            monkeypatch.setattr(psycopg, "connect", lambda *_, **__: FakeDatabase(applied))
            old_data.reject_old_database("postgresql://", ADVICE)

        return run

    def test_migration_without_file_is_rejected(self, check: Any) -> None:
        with pytest.raises(SetupError, match=MESSAGE):
            check([("accounts", "0001_initial"), ("accounts", "0009_flag")])

    @pytest.mark.parametrize(
        "applied",
        (None, [], [("accounts", "0001_initial")], [("auth", "0099_of_a_newer_django")]),
        ids=("no table", "nothing applied", "existing migration", "migration of another package"),
    )
    def test_current_data_is_accepted(self, check: Any, applied: list[tuple[str, str]] | None) -> None:
        check(applied)


@pytest.mark.django_db
def test_current_database_is_accepted() -> None:
    from django.db import connection

    parameters = connection.get_connection_params()
    url = psycopg.conninfo.make_conninfo(**{name: parameters[name] for name in ("host", "user", "dbname")})
    old_data.reject_old_database(url, ADVICE)


class TestStandIn:
    def create(self, path: Path, *names: str) -> Path:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE django_migrations (app TEXT, name TEXT)")
            rows = [("localclerk", name) for name in names]
            connection.executemany("INSERT INTO django_migrations VALUES (?, ?)", rows)
        return path

    def test_migration_without_file_is_rejected(self, tmp_path: Path) -> None:
        path = self.create(tmp_path / "localclerk.sqlite3", "0001_initial", "0003_backend_api")
        with pytest.raises(SetupError, match=MESSAGE):
            old_data.reject_old_stand_in(path, ADVICE)

    def test_current_data_is_accepted(self, tmp_path: Path) -> None:
        old_data.reject_old_stand_in(self.create(tmp_path / "localclerk.sqlite3", "0001_initial"), ADVICE)

    def test_missing_and_empty_files_are_accepted(self, tmp_path: Path) -> None:
        old_data.reject_old_stand_in(tmp_path / "missing.sqlite3", ADVICE)
        (tmp_path / "empty.sqlite3").touch()
        old_data.reject_old_stand_in(tmp_path / "empty.sqlite3", ADVICE)
        assert not (tmp_path / "missing.sqlite3").exists()
