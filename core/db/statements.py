"""Write single rows with SQL that is put together once per model.

`save()` and `bulk_create()` compile their SQL anew for each call, which costs several times what PostgreSQL needs to run
it; on the path of a webhook that was a third of all CPU time (docs/decisions.md). Values still pass through the fields.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, connection, models


def insert(rows: Sequence[models.Model]) -> None:
    """Insert rows of one model in one statement. Their primary keys are not set."""
    with connection.cursor() as cursor:
        cursor.execute(_insert_sql(type(rows[0]), len(rows)), [value for row in rows for value in _values(row)])


def insert_if_new(row: models.Model) -> bool:
    """Insert `row` and set its primary key, or do nothing if any unique constraint forbids it.

    It waits for a rival transaction that is inserting the same row, never raises IntegrityError for it, and needs
    neither a savepoint nor a look beforehand.

    Returns:
        Whether the row is new. If not, the one that is there is not locked.
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
    """Write the named fields of a row that is stored, as `save(update_fields=fields)` does, but without signals.

    Raises:
        DatabaseError: the row is not there.
    """
    model = type(row)
    prepared = [_prepared(row, field, add=False) for field in map(model._meta.get_field, fields)]
    with connection.cursor() as cursor:
        cursor.execute(_update_sql(model, tuple(fields)), [*prepared, row.pk])
        if not cursor.rowcount:
            raise DatabaseError(f"{row!r} is not there to be updated.")


@cache
def _insert_sql(model: type[models.Model], rows: int = 1) -> str:
    """Return the INSERT of all columns that neither the sequence nor a database default fills."""
    columns = ", ".join(f'"{field.column}"' for field in _written(model))
    row = f"({', '.join(_placeholder(field) for field in _written(model))})"
    # Only names of tables and columns are put in here, and they come from models.
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {", ".join([row] * rows)}'  # noqa: S608


def _values(row: models.Model) -> list[Any]:
    """Return what belongs to the placeholders of `_insert_sql`."""
    return [_prepared(row, field, add=True) for field in _written(type(row))]


@cache
def _update_sql(model: type[models.Model], fields: tuple[str, ...]) -> str:
    named: list[Any] = [model._meta.get_field(field) for field in fields]
    changes = ", ".join(f'"{field.column}" = {_placeholder(field)}' for field in named)
    return f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{model._meta.pk.column}" = %s'  # noqa: S608


@cache
def _written(model: type[models.Model]) -> list[Any]:
    # A field with both defaults has a value in Python. One with a database default alone, such as the transaction, has none.
    return [
        field
        for field in model._meta.concrete_fields
        if not field.primary_key and (field.has_default() or not field.has_db_default())
    ]


def _placeholder(field: Any) -> str:
    # PostgreSQL does not guess the type of an empty array.
    return f"%s::{field.db_type(connection)}" if isinstance(field, ArrayField) else "%s"


def _prepared(row: models.Model, field: Any, *, add: bool) -> Any:
    return field.get_db_prep_save(field.pre_save(row, add), connection)
