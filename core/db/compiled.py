"""Querysets whose SQL is compiled once, for small queries that run on many requests.

Django compiles the SQL of a queryset each time, which takes longer than PostgreSQL needs to find a few rows by a key.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from django.db.models import Model, QuerySet

from core.db.loading import load, loaded_fields
from core.db.statements import hot_cursor

#: The names of columns are not needed. psycopg parses statements of more than 4,096 characters on each execution.
_COLUMN_NAME = re.compile(r' AS "\w+"(?=, | FROM )')


def compile_query[Value](
    build: Callable[[Value], QuerySet[Any, Any]], placeholder: Value
) -> Callable[[Value], list[tuple[Any, ...]]]:
    """Return a function that returns the rows of `build(value)` as tuples.

    Args:
        build: returns a `values_list()`. The given value must be its only parameter.
        placeholder: any value with which the SQL can be compiled.
    """

    @cache
    def sql() -> str:
        text, parameters = build(placeholder).query.sql_with_params()
        if parameters != (placeholder,):
            raise ValueError(f"The query must have the given value as its only parameter, not {parameters!r}.")
        return _COLUMN_NAME.sub("", text)

    def rows(value: Value) -> list[tuple[Any, ...]]:
        with hot_cursor() as cursor:
            cursor.execute(sql(), [value])
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    return rows


def compile_related[Row: Model](model: type[Row], column: str) -> Callable[[Model, str], None]:
    """Return a function that loads the rows of `model` whose `column` refers to a row, like `prefetch_related_objects`.

    The function's arguments are the row and the name of its related manager. Rows that are already loaded are kept.
    """
    find = compile_query(lambda pk: model._default_manager.filter(**{column: pk}).values_list(*attributes(model)), 0)

    def load_related(row: Model, name: str) -> None:
        loaded = row.__dict__.setdefault("_prefetched_objects_cache", {})
        if name not in loaded:
            related = getattr(row, name).all()
            related._result_cache = [load(model, values) for values in find(row.pk)]
            related._prefetch_done = True
            loaded[name] = related

    return load_related


def attributes(model: type[Model], prefix: str = "") -> list[str]:
    """Return the names for `values_list()` whose values `core.db.loading.load` expects."""
    return [f"{prefix}{field.attname}" for field in loaded_fields(model)]
