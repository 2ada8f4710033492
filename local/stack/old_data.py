"""Detect data from an older version whose migrations no longer exist. `migrate` would fail with an unclear error."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg

from local.errors import SetupError
from local.project import PROJECT_ROOT

APPLIED = "SELECT app, name FROM django_migrations"


def reject_old_database(url: str, advice: str) -> None:
    """Check that every migration recorded in the PostgreSQL at `url` exists.

    Args:
        advice: an instruction for the user.

    Raises:
        SetupError: a recorded migration of this project does not exist.
    """
    with psycopg.connect(url, connect_timeout=3) as connection:
        has_migrations = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
        applied = connection.execute(APPLIED).fetchall() if has_migrations and has_migrations[0] else []
    folders = {path.parent.name: path for path in PROJECT_ROOT.glob("*/migrations")}  # app labels are folder names
    _reject_unknown(applied, folders, advice)


def reject_old_stand_in(path: Path, advice: str) -> None:
    """Check that every migration recorded in the SQLite file of the stand-in for Clerk exists.

    Args:
        path: the SQLite file, which may not exist yet.
        advice: an instruction for the user.

    Raises:
        SetupError: a recorded migration of the stand-in does not exist.
    """
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as connection:
        try:
            applied = connection.execute(APPLIED).fetchall()
        except sqlite3.DatabaseError:
            return  # the file has not been migrated yet, or the stand-in reports that it cannot be read
    _reject_unknown(applied, {"localclerk": PROJECT_ROOT / "local" / "clerk" / "migrations"}, advice)


def _reject_unknown(applied: Iterable[tuple[str, str]], folders: Mapping[str, Path], advice: str) -> None:
    """Raise if a recorded migration has no file. Migrations of other packages are ignored.

    Args:
        applied: pairs of an app label and the name of a migration.
        folders: the migrations of this project, by app label.
    """
    if any(label in folders and not (folders[label] / f"{name}.py").exists() for label, name in applied):
        raise SetupError(f"The data was created by an older version and cannot be upgraded; {advice}")
