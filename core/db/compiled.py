"""Compile the SQL of small, frequent querysets only once.

Django compiles a queryset on every evaluation. For a few rows by key, that takes longer than the query itself.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.db.models import Model, QuerySet

from core.db.loading import load, loaded_fields
from core.db.replica import read_connection
from core.db.statements import hot_cursor

#: Column aliases are removed to shorten the SQL: psycopg parses statements over 4,096 characters on every execution.
_COLUMN_NAME = re.compile(r' AS "\w+"(?=, | FROM )')


def compile_query[Value](
    build: Callable[[Value], QuerySet[Any, Any]], placeholder: Value
) -> Callable[[Value], list[tuple[Any, ...]]]:
    """Return a function that returns the rows of `build(value)` as tuples.

    Args:
        build: returns a `values_list()` queryset with the given value as its only parameter.
        placeholder: any valid value, used to compile the SQL.
    """

    @cache
    def sql() -> str:
        text, parameters = build(placeholder).query.sql_with_params()
        if parameters != (placeholder,):
            raise ValueError(f"The query must have the given value as its only parameter, not {parameters!r}.")
        return _COLUMN_NAME.sub("", text)

    def rows(value: Value) -> list[tuple[Any, ...]]:
        with hot_cursor(read_connection()) as cursor:
            cursor.execute(sql(), [value])
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    return rows


def compile_related[Row: Model](model: type[Row], column: str) -> Callable[[Model, str], None]:
    """Return a function that prefetches the rows of `model` whose `column` refers to a given row.

    The function takes the row and the name of the related manager. It does nothing if the rows are already prefetched.
    """
    find = compile_query(lambda pk: model._default_manager.filter(**{column: pk}).values_list(*attributes(model)), 0)

    def load_related(row: Model, name: str) -> None:
        if not is_prefetched(row, name):
            set_prefetched(row, name, (load(model, values) for values in find(row.pk)))

    return load_related


def is_prefetched(row: Model, name: str) -> bool:
    return name in getattr(row, "_prefetched_objects_cache", {})


def set_prefetched(row: Model, name: str, related: Iterable[Model]) -> None:
    """Set the rows of the related manager `name`, as `prefetch_related()` does."""
    queryset = getattr(row, name).all()
    queryset._result_cache = list(related)
    queryset._prefetch_done = True
    row.__dict__.setdefault("_prefetched_objects_cache", {})[name] = queryset


def attributes(model: type[Model], prefix: str = "") -> list[str]:
    """Return the `values_list()` names for the values that `core.db.loading.load` expects."""
    return [f"{prefix}{field.attname}" for field in loaded_fields(model)]
