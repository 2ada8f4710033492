"""Collect a transaction's writes and execute them as one statement.

Each statement needs a round trip, and its fixed cost in Python and PostgreSQL exceeds the cost per row. A `joined`
block collects writes and executes them at the end of the block, in the same transaction. A statement that names one of
the written tables would read outdated rows, so the collected writes are executed before that statement.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models

from core.db import statements
from core.db.statements import Statement

_SAVEPOINT = ("SAVEPOINT", "RELEASE SAVEPOINT")


@dataclass(slots=True)
class _Writes:
    """Collected writes.

    Attributes:
        inserted: the new rows of each model.
        skipping: the models whose existing rows are skipped.
        updated: the fields to write and the changed rows by primary key, for each model.
    """

    inserted: dict[type[models.Model], list[models.Model]] = field(default_factory=dict)
    skipping: set[type[models.Model]] = field(default_factory=set)
    updated: dict[type[models.Model], tuple[tuple[str, ...], dict[Any, models.Model]]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)

    def take(self) -> list[Statement]:
        """Return a statement for each table, and clear the collected writes."""
        taken = [statements.update_statement(list(rows.values()), fields) for fields, rows in self.updated.values()]
        taken += [
            statements.insert_statement(rows, skip_existing=model in self.skipping)
            for model, rows in self.inserted.items()
        ]
        self.inserted, self.skipping, self.updated, self.tables = {}, set(), {}, set()
        return taken

    def execute_before_reads(
        self,
        execute: Callable[..., Any],
        sql: str,
        parameters: Any,
        many: bool,  # noqa: FBT001  # Django's signature
        context: Any,
    ) -> Any:
        """Execute the writes before a statement that names their tables, or that starts or ends a savepoint.

        Rolling back to a savepoint discards the writes that were collected since the savepoint.
        """
        if sql.startswith("ROLLBACK TO SAVEPOINT"):
            self.take()
        elif self.tables and (sql.startswith(_SAVEPOINT) or any(table in sql for table in self.tables)):
            statements.execute(self.take())
        return execute(sql, parameters, many, context)


_current: ContextVar[_Writes | None] = ContextVar("joined_writes", default=None)


@contextmanager
def joined() -> Iterator[None]:
    """Execute the block's writes together at its end, unless the block raises.

    The block must be in a transaction that is rolled back if the block raises. Writes in a nested block are executed
    with those of the outer block.
    """
    if _current.get() is not None:
        yield
        return
    writes = _Writes()
    marker = _current.set(writes)
    try:
        with connection.execute_wrapper(writes.execute_before_reads):
            yield
    finally:
        _current.reset(marker)
    statements.execute(writes.take())


def insert(row: models.Model, *, skip_existing: bool = False) -> None:
    """Insert a row without setting its primary key.

    Args:
        skip_existing: omit the row if it violates a unique constraint. All rows of a model must have the same value.
    """
    writes = _current.get()
    if writes is None:
        statements.execute([statements.insert_statement([row], skip_existing=skip_existing)])
        return
    if skip_existing:
        writes.skipping.add(type(row))
    writes.inserted.setdefault(type(row), []).append(row)
    writes.tables.add(row._meta.db_table)


def update_all(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write fields of locked rows of one model. The values are read when the writes are executed."""
    writes = _current.get()
    if writes is None:
        statements.update_all(rows, fields)
        return
    for row in rows:
        written, known = writes.updated.setdefault(type(row), (tuple(fields), {}))
        if written != tuple(fields):
            statements.execute(writes.take())
            _, known = writes.updated.setdefault(type(row), (tuple(fields), {}))
        known[row.pk] = row
        writes.tables.add(row._meta.db_table)


def take() -> list[Statement]:
    """Return and clear the collected writes, so that the caller can execute them with its own statement."""
    writes = _current.get()
    return writes.take() if writes else []
