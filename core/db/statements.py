"""Write and lock rows of one model with SQL that is compiled once, for any number of rows.

`save()` and `bulk_create()` compile their SQL on every call, which takes several times longer than PostgreSQL needs to
run it. When webhooks were processed, that was a third of all CPU time (docs/performance.md). Rows are passed as one
JSON document, so a statement has the same text for one row and for a hundred.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

from django.db import DatabaseError, connection, models
from psycopg import Cursor as ServerBindingCursor

from core.db.loading import load, loaded_fields

#: SQL expressions that replace the values of columns. They can refer to the JSON of the row as `item`.
type Expressions = tuple[tuple[str, str], ...]
#: SQL and its only parameter: the rows as JSON.
type Statement = tuple[str, str]

#: Cursor class for `hot_cursor`. config.telemetry replaces it with a traced class.
hot_cursor_class: type[ServerBindingCursor[Any]] = ServerBindingCursor


def hot_cursor(using: Any = connection) -> Any:
    """Return a cursor for statements that run often.

    Parameters are bound by the server, so that it can prepare them.
    """
    using.ensure_connection()
    with using.wrap_database_errors:
        cursor: Any = hot_cursor_class(using.connection)
    return using.make_debug_cursor(cursor) if using.queries_logged else using.make_cursor(cursor)


def execute(statements: Sequence[Statement]) -> None:
    """Execute several writes as one statement. No row can be written twice."""
    if statements:
        sql, parameters = _join(statements)
        with hot_cursor() as cursor:
            cursor.execute(sql, parameters)


def insert_statement(rows: Sequence[models.Model], *, skip_existing: bool = False) -> Statement:
    """Return a statement that inserts rows of one model. Their primary keys are not set.

    Args:
        skip_existing: omit rows that violate a unique constraint.
    """
    suffix = " ON CONFLICT DO NOTHING" if skip_existing else ""
    return _insert_sql(type(rows[0])) + suffix, _as_json(map(_values, rows))


def insert_if_new(row: models.Model) -> bool:
    """Insert `row` and set its primary key, or do nothing if a unique constraint is violated.

    If another transaction is inserting the same row, this waits for it and does not raise IntegrityError. Callers
    need neither a savepoint nor a prior query.

    Returns:
        Whether the row was inserted. If not, the existing row is not locked.
    """
    return bool(insert_new([row], key=row._meta.pk.attname))


def insert_new[Row: models.Model](
    rows: Sequence[Row],
    *,
    key: str,
    expressions: Expressions = (),
    items: Sequence[Mapping[str, Any]] = (),
    condition: str = "TRUE",
    also: Sequence[Statement] = (),
) -> list[Row]:
    """Insert the rows that violate no unique constraint, set their primary keys, and return them. See `insert_if_new`.

    Args:
        key: a unique column that identifies the inserted rows. For a single row, use the primary key.
        expressions: SQL for columns that PostgreSQL computes. The computed values are set on the instances.
        items: values for the expressions, one mapping per row.
        condition: an SQL condition that rows must meet to be inserted. It can refer to the row as `new`.
        also: other writes to execute in the same statement.
    """
    if not rows:
        return []
    values = [_values(row) | dict(extra) for row, extra in zip(rows, items or [{}] * len(rows), strict=True)]
    sql, parameters = _join([*also, (_insert_new_sql(type(rows[0]), key, expressions, condition), _as_json(values))])
    with hot_cursor() as cursor:
        cursor.execute(sql, parameters)
        found = {value: computed for value, *computed in cursor.fetchall()}
    if len(rows) == 1 and found:
        found = {getattr(rows[0], key): next(iter(found.values()))}
    inserted = [row for row in rows if getattr(row, key) in found]
    for row in inserted:
        row.pk, *computed = found[getattr(row, key)]
        for (name, _), value in zip(expressions, computed, strict=True):
            setattr(row, name, value)
        row._state.adding, row._state.db = False, connection.alias  # as save() does
    return inserted


def update(row: models.Model, fields: Sequence[str]) -> None:
    """Update fields in an existing row, like `save(update_fields=fields)` but without signals.

    Raises:
        DatabaseError: the row does not exist.
    """
    update_all([row], fields)


def update_all(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write the named fields of existing rows of one model in one statement, without signals.

    Raises:
        DatabaseError: one of the rows does not exist.
    """
    if not rows:
        return
    sql, values = update_statement(rows, fields)
    with hot_cursor() as cursor:
        cursor.execute(sql, [values])
        if cursor.rowcount != len(rows):
            raise DatabaseError(f"{rows[0]!r} or a row updated with it does not exist.")


def update_statement(rows: Sequence[models.Model], fields: Sequence[str]) -> Statement:
    """Return a statement that writes the named fields of existing rows of one model."""
    model = type(rows[0])
    columns = _named(model, tuple(fields))
    values = [{field.column: field.pre_save(row, add=False) for field in columns} for row in rows]
    return _update_sql(model, tuple(fields)), _as_json(values)


def lock[Row: models.Model](
    model: type[Row],
    column: str,
    values: Collection[Any],
    *,
    condition: str = "TRUE",
    annotations: tuple[tuple[str, str], ...] = (),
    skip_locked: bool = False,
    is_shared: bool = False,
) -> list[Row]:
    """Lock rows of a model in primary key order until the transaction ends, and return them.

    The lock is NO KEY UPDATE, which allows other transactions to insert rows that refer to these rows.

    Args:
        column: the column that must have one of `values`.
        condition: an additional SQL condition.
        annotations: names and SQL of attributes to add to each row.
        skip_locked: omit rows that other transactions have locked, instead of waiting for them.
        is_shared: prevent changes to the rows, but let other transactions lock them in the same way.
    """
    if not values:
        return []
    strength = "SHARE" if is_shared else "NO KEY UPDATE"
    sql = _lock_sql(model, column, condition, annotations, strength) + (" SKIP LOCKED" if skip_locked else "")
    with hot_cursor() as cursor:
        cursor.execute(sql, [list(values)])
        found = cursor.fetchall()
    size, names = len(loaded_fields(model)), [name for name, _ in annotations]
    rows = [load(model, loaded[:size]) for loaded in found]
    for row, loaded in zip(rows, found, strict=True):
        row.__dict__.update(zip(names, loaded[size:], strict=True))
    return rows


def select_related_rows(
    models_: Sequence[type[models.Model]], column: str, values: Collection[int], *, is_locked: bool = False
) -> dict[int, list[Any]]:
    """Map each of `values` to a list with one row per model: the row with that value in `column`, or None.

    Args:
        column: a unique bigint column that all models have.
        is_locked: whether to lock the rows, like `lock`.
    """
    if not values:
        return {}
    with hot_cursor() as cursor:
        cursor.execute(_related_sql(tuple(models_), column, is_locked), [list(values)] * (len(models_) + 1))
        found = cursor.fetchall()
    sizes = [len(loaded_fields(model)) for model in models_]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    rows: dict[int, list[Any]] = {}
    for value, *loaded in found:
        values_of = [loaded[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        # The first column is the primary key.
        rows[value] = [
            None if one[0] is None else load(model, one) for model, one in zip(models_, values_of, strict=True)
        ]
    return rows


# Safe: the statements below contain only table and column names, which come from models, and constants of callers.


@cache
def _lock_sql(
    model: type[models.Model], column: str, condition: str, annotations: tuple[tuple[str, str], ...], strength: str
) -> str:
    table = model._meta.db_table
    names = [*(f'"{table}"."{field.column}"' for field in loaded_fields(model)), *(sql for _, sql in annotations)]
    suffix = f'ORDER BY "{model._meta.pk.column}" FOR {strength} OF "{table}"'
    return f'SELECT {", ".join(names)} FROM "{table}" WHERE "{column}" = ANY(%s) AND {condition} {suffix}'  # noqa: S608


@cache
def _related_sql(models_: tuple[type[models.Model], ...], column: str, is_locked: bool) -> str:  # noqa: FBT001
    columns, joins, lock_clause = [], [], ' ORDER BY "id" FOR NO KEY UPDATE' if is_locked else ""
    for model in models_:
        table = model._meta.db_table
        names = [f'"{field.column}"' for field in loaded_fields(model)]
        columns += [f'"{table}".{name}' for name in names]
        # PostgreSQL cannot lock the nullable side of an outer join, so the subquery locks the rows.
        rows = f'SELECT {", ".join(names)} FROM "{table}" WHERE "{column}" = ANY(%s){lock_clause}'  # noqa: S608
        joins.append(f'LEFT JOIN ({rows}) AS "{table}" ON "{table}"."{column}" = given.value')
    return f"SELECT given.value, {', '.join(columns)} FROM unnest(%s::bigint[]) AS given (value) {' '.join(joins)}"  # noqa: S608


@cache
def _insert_sql(model: type[models.Model], expressions: Expressions = ()) -> str:
    """Return an INSERT statement for all columns except the primary key and columns with only a database default."""
    table, replaced = model._meta.db_table, dict(expressions)
    columns = ", ".join(f'"{field.column}"' for field in _written(model))
    values = ", ".join(replaced.get(field.name, f'"{field.column}"') for field in _written(model))
    source = f'json_populate_recordset(NULL::"{table}", %s) AS new'
    if expressions:
        source = f'json_array_elements(%s) AS item, json_populate_record(NULL::"{table}", item) AS new'
    return f'INSERT INTO "{table}" ({columns}) SELECT {values} FROM {source}'  # noqa: S608


@cache
def _insert_new_sql(model: type[models.Model], key: str, expressions: Expressions, condition: str) -> str:
    computed = _named(model, tuple(name for name, _ in expressions))[1:]
    returned = ", ".join(
        f'"{column}"' for column in (key, model._meta.pk.column, *(field.column for field in computed))
    )
    return f"{_insert_sql(model, expressions)} WHERE {condition} ON CONFLICT DO NOTHING RETURNING {returned}"


@cache
def _update_sql(model: type[models.Model], fields: tuple[str, ...]) -> str:
    table, pk = model._meta.db_table, model._meta.pk.column
    changes = ", ".join(f'"{field.column}" = new."{field.column}"' for field in _named(model, fields)[1:])
    source = f'json_populate_recordset(NULL::"{table}", %s) AS new'
    return f'UPDATE "{table}" SET {changes} FROM {source} WHERE "{table}"."{pk}" = new."{pk}"'  # noqa: S608


@cache
def _named(model: type[models.Model], names: tuple[str, ...]) -> list[Any]:
    """Return the primary key and the named fields."""
    return [model._meta.pk, *map(model._meta.get_field, names)]


def _join(statements: Sequence[Statement]) -> tuple[str, list[str]]:
    """Combine statements into one, which returns the rows of the last statement. Also return the parameters."""
    *others, last = (sql for sql, _ in statements)
    joined = ", ".join(f"write_{number} AS ({sql})" for number, sql in enumerate(others))
    return (f"WITH {joined} {last}" if others else last), [values for _, values in statements]


def _values(row: models.Model) -> dict[str, Any]:
    return {field.column: field.pre_save(row, add=True) for field in _written(type(row))}


@cache
def _written(model: type[models.Model]) -> list[Any]:
    # A field with a Python default has a value even if it also has a database default. A field with only a database
    # default, such as the transaction id, has no value in Python.
    return [
        field
        for field in model._meta.concrete_fields
        if not field.primary_key and (field.has_default() or not field.has_db_default())
    ]


def _as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    return _encode(list(rows))


def _default(value: Any) -> Any:
    """Return PostgreSQL's text for a value that JSON cannot represent."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value // timedelta(microseconds=1)} microseconds"
    return f"\\x{bytes(value).hex()}" if isinstance(value, bytes | memoryview) else str(value)


#: Created once, because json.dumps creates an encoder per call.
_encode = json.JSONEncoder(default=_default, separators=(",", ":"), ensure_ascii=False).encode
