"""Compile the SQL of small, frequent querysets only once.

Django compiles a queryset on every evaluation. For a few rows by key, that takes longer than the query itself.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, F, Func, Model, QuerySet, Value

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
        build: returns a `values_list()` queryset with the given value as one parameter. Its other parameters are constant.
        placeholder: any valid value that differs from the constants, used to compile the SQL.
    """

    @cache
    def compiled() -> tuple[str, list[Any], int]:
        text, parameters = build(placeholder).query.sql_with_params()
        if parameters.count(placeholder) != 1:
            raise ValueError(f"The query must have the given value as one of its parameters, not {parameters!r}.")
        return _COLUMN_NAME.sub("", text), list(parameters), parameters.index(placeholder)

    def rows(value: Value) -> list[tuple[Any, ...]]:
        sql, parameters, index = compiled()
        with hot_cursor(read_connection()) as cursor:
            cursor.execute(sql, [*parameters[:index], value, *parameters[index + 1 :]])
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    return rows


def key_in(keys: Sequence[int]) -> Func:
    """Return the condition that the primary key is one of `keys`, as one parameter. An `__in` filter has one for each."""
    values = Value(keys, output_field=ArrayField(BigIntegerField()))
    return Func(F("pk"), values, arg_joiner=" = ANY(", template="%(expressions)s)", output_field=BooleanField())


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
