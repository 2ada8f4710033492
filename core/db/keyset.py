"""Keyset pagination: a page starts after a cursor that an index can find directly, whatever the table size.

A cursor consists of a value and a primary key, compared as a pair: `(value, id) < (…, …)`. A scan of an index on both
columns, or on the first column, can start at the cursor. The same condition written with AND and OR would scan all rows
with the same value.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import Combinable, OrderBy
from django.db.models.lookups import GreaterThan, LessThan

from core.db.cursors import format_cursor, parse_cursor

#: Number of rows per query in `iterate`.
CHUNK_SIZE = 1000


class Cursor(NamedTuple):
    """A row's position in an ordering. `value` is None if rows are ordered by primary key only."""

    value: Any
    key: int


class _Row(Func):
    template = "ROW(%(expressions)s)"
    # Django requires an output field but does not use it, because a row has no field type.
    output_field = BooleanField()


@dataclass(frozen=True, slots=True)
class Ordering:
    """An ordering by a value and then by primary key, descending by default.

    Attributes:
        value: a column or expression that is never NULL, or None to order by primary key only.
        value_type: the type of the value: int, datetime or timedelta.
    """

    value: Combinable | None = None
    value_type: type = int
    descending: bool = True

    def reversed(self) -> Self:
        return replace(self, descending=not self.descending)

    def columns(self) -> list[OrderBy]:
        return [column.desc() if self.descending else column.asc() for column in self._columns()]

    def sort[Row: QuerySet[Any]](self, rows: Row) -> Row:
        """Sort rows and annotate each row with its value as `cursor_value`, which `cursor_for` needs."""
        ordered = rows.order_by(*self.columns())
        return ordered if self.value is None else ordered.annotate(cursor_value=self.value)

    def after[Row: QuerySet[Any]](self, rows: Row, cursor: Cursor | None) -> Row:
        """Return the sorted rows after a cursor, or all rows if the cursor is None."""
        if cursor is None:
            return self.sort(rows)
        lookup = LessThan if self.descending else GreaterThan
        values = [Value(cursor.key)] if self.value is None else [Value(cursor.value), Value(cursor.key)]
        return self.sort(rows.filter(lookup(_Row(*self._columns()), _Row(*values))))

    def cursor_for(self, row: Any) -> Cursor:
        """Return the cursor for a row returned by `sort` or `after`."""
        return Cursor(None if self.value is None else row.cursor_value, row.pk)

    def encode_cursor(self, cursor: Cursor) -> str:
        return format_cursor([cursor.key] if self.value is None else cursor)

    def decode_cursor(self, text: str) -> Cursor:
        """Parse the text written by `encode_cursor`.

        Raises:
            InvalidCursor: the text is not a cursor of this ordering.
        """
        *value, key = parse_cursor(text, [int] if self.value is None else [self.value_type, int])
        return Cursor(value[0] if value else None, key)

    def iterate(self, rows: QuerySet[Any]) -> Iterator[Any]:
        """Yield all rows, reading CHUNK_SIZE rows at a time. Memory use is constant, and no transaction stays open."""
        cursor = None
        while chunk := list(self.after(rows, cursor)[:CHUNK_SIZE]):
            yield from chunk
            cursor = self.cursor_for(chunk[-1])

    def _columns(self) -> list[Any]:
        return [F("pk")] if self.value is None else [self.value, F("pk")]
