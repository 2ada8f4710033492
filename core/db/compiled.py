"""Querysets whose SQL is compiled once, for small queries that run on many requests.

Django compiles the SQL of a queryset each time, which takes longer than PostgreSQL needs to find one row by its key.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.db.models import QuerySet

from core.db.statements import hot_cursor


def compile_query(build: Callable[[str], QuerySet[Any, Any]]) -> Callable[[str], tuple[Any, ...] | None]:
    """Return a function that returns the first row of `build(value)` as a tuple, or None.

    Args:
        build: returns a `values_list()`. The given text must be its only parameter.
    """

    @cache
    def sql() -> str:
        placeholder = "compiled"
        text, parameters = build(placeholder)[:1].query.sql_with_params()
        if parameters != (placeholder,):
            raise ValueError(f"The query must have the given value as its only parameter, not {parameters!r}.")
        return text

    def first_row(value: str) -> tuple[Any, ...] | None:
        with hot_cursor() as cursor:
            cursor.execute(sql(), [value])
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    return first_row
