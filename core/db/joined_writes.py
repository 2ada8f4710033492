"""Collect the writes of a transaction and execute them as one statement.

Every statement costs a round trip, and Python and PostgreSQL spend more time on each than on its rows. Inside a `joined`
block, writes are collected and executed at its end, in the same transaction. A statement that names one of the written
tables would read outdated rows, so the collected writes are executed before it.
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
        updated: the fields of each model, and its changed rows by primary key.
    """

    inserted: dict[type[models.Model], list[models.Model]] = field(default_factory=dict)
    updated: dict[type[models.Model], tuple[tuple[str, ...], dict[Any, models.Model]]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)

    def take(self) -> list[Statement]:
        """Return a statement for each table, and forget the writes."""
        taken = [statements.update_statement(list(rows.values()), fields) for fields, rows in self.updated.values()]
        taken += [statements.insert_statement(rows) for rows in self.inserted.values()]
        self.inserted, self.updated, self.tables = {}, {}, set()
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

        A savepoint that is rolled back discards the writes that were collected in it.
        """
        if sql.startswith("ROLLBACK TO SAVEPOINT"):
            self.take()
        elif self.tables and (sql.startswith(_SAVEPOINT) or any(table in sql for table in self.tables)):
            statements.execute(self.take())
        return execute(sql, parameters, many, context)


_current: ContextVar[_Writes | None] = ContextVar("joined_writes", default=None)


@contextmanager
def joined() -> Iterator[None]:
    """Execute the writes of the block together at its end. If the block raises, execute none of them.

    The block must be in a transaction that is rolled back if the block raises. A nested block adds its writes to the
    outer one.
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


def insert(row: models.Model) -> None:
    """Insert a row without setting its primary key."""
    writes = _current.get()
    if writes is None:
        statements.execute([statements.insert_statement([row])])
        return
    writes.inserted.setdefault(type(row), []).append(row)
    writes.tables.add(row._meta.db_table)


def update_all(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write the named fields of locked rows of one model. Their values are read when the writes are executed."""
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
    """Return the collected writes, so that the caller executes them together with a statement of its own."""
    writes = _current.get()
    return writes.take() if writes else []
