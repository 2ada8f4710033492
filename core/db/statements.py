"""Write rows with SQL that is compiled once per model.

`save()` and `bulk_create()` compile their SQL on every call, which takes several times longer than PostgreSQL needs to run
it. When webhooks were processed, that was a third of all CPU time (docs/decisions.md). Values still pass through the fields.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, connection, models


def insert(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model in one statement, without setting their primary keys."""
    with connection.cursor() as cursor:
        cursor.execute(_insert_sql(type(rows[0]), len(rows)), [value for row in rows for value in _values(row)])


def insert_if_new(row: models.Model) -> bool:
    """Insert `row` and set its primary key, or do nothing if a unique constraint is violated.

    If another transaction is inserting the same row, this waits for it and does not raise IntegrityError. Callers
    need neither a savepoint nor a prior query.

    Returns:
        Whether the row was inserted. If not, the existing row is not locked.
    """
    model = type(row)
    with connection.cursor() as cursor:
        cursor.execute(f"{_insert_sql(model)} ON CONFLICT DO NOTHING RETURNING {model._meta.pk.column}", _values(row))
        found = cursor.fetchone()
    if found is None:
        return False
    [row.pk] = found
    row._state.adding, row._state.db = False, connection.alias  # as save() does
    return True


def update(row: models.Model, fields: Sequence[str]) -> None:
    """Write the named fields of an existing row, like `save(update_fields=fields)` but without signals.

    Raises:
        DatabaseError: the row does not exist.
    """
    model = type(row)
    prepared = [_prepared(row, field, add=False) for field in map(model._meta.get_field, fields)]
    with connection.cursor() as cursor:
        cursor.execute(_update_sql(model, tuple(fields)), [*prepared, row.pk])
        if not cursor.rowcount:
            raise DatabaseError(f"{row!r} was not updated because it does not exist.")


@cache
def _insert_sql(model: type[models.Model], rows: int = 1) -> str:
    """Return an INSERT of all columns except the primary key and those with only a database default."""
    columns = ", ".join(f'"{field.column}"' for field in _written(model))
    row = f"({', '.join(_placeholder(field) for field in _written(model))})"
    # Safe: only table and column names are interpolated, and they come from models.
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {", ".join([row] * rows)}'  # noqa: S608


def _values(row: models.Model) -> list[Any]:
    return [_prepared(row, field, add=True) for field in _written(type(row))]


@cache
def _update_sql(model: type[models.Model], fields: tuple[str, ...]) -> str:
    named: list[Any] = [model._meta.get_field(field) for field in fields]
    changes = ", ".join(f'"{field.column}" = {_placeholder(field)}' for field in named)
    return f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{model._meta.pk.column}" = %s'  # noqa: S608


@cache
def _written(model: type[models.Model]) -> list[Any]:
    # A field with a Python default has a value even if it also has a database default. One with only a database
    # default, such as the transaction id, has no value in Python.
    return [
        field
        for field in model._meta.concrete_fields
        if not field.primary_key and (field.has_default() or not field.has_db_default())
    ]


def _placeholder(field: Any) -> str:
    # PostgreSQL cannot infer the type of an empty array.
    return f"%s::{field.db_type(connection)}" if isinstance(field, ArrayField) else "%s"


def _prepared(row: models.Model, field: Any, *, add: bool) -> Any:
    return field.get_db_prep_save(field.pre_save(row, add), connection)
