"""Empties the database after transactional tests.

Django truncates all tables, which creates new files for each table, and then recreates permissions. Tests leave few
rows, so deleting them is faster: 0.01 s instead of 0.2 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db.backends.postgresql.operations import DatabaseOperations

from accounts.models import Flag
from profiles.models import SearchSynonym

#: Tables that Django does not manage.
QUEUE = ["procrastinate_events", "procrastinate_periodic_defers", "procrastinate_jobs", "procrastinate_workers"]
#: Tables with rows that migrations create.
KEPT = {model._meta.db_table for model in (Flag, SearchSynonym, ContentType, Permission)}


@contextmanager
def quick_flush() -> Iterator[None]:
    """Replace Django's function that flushes a database. The tests' database role must be a superuser."""
    patch = pytest.MonkeyPatch()
    patch.setattr(DatabaseOperations, "sql_flush", _deletions)
    patch.setattr(flush, "emit_post_migrate_signal", lambda *args: None)  # it would recreate rows that were not deleted
    yield
    patch.undo()


def _deletions(operations: DatabaseOperations, style: Any, tables: list[str], **options: Any) -> list[str]:
    names = [operations.quote_name(table) for table in [*QUEUE, *tables] if table not in KEPT]
    # On a replica, the audit log's triggers and foreign key triggers do not fire.
    return ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {name}" for name in names)]
