"""Orders in which millions of rows can be looked through: a page begins at a place, and an index finds that at once.

A place is a value and a key. Both are compared as a pair, `(value, id) < (…, …)`, which is what an index over the two
columns, or over the first of them, can begin at. The same written with AND and OR would walk all rows that share a value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import Combinable, OrderBy
from django.db.models.lookups import GreaterThan, LessThan

#: Between the value and the key in an address.
BETWEEN = "~"
#: Rows read at once by `read_all`; how many there are in all does not matter.
CHUNK = 1000


class Place(NamedTuple):
    """Where a row stands; an order by keys alone has no values."""

    value: Any
    key: int


class NoPlace(ValueError):
    """What is said to be a place in an order is none."""


class _Pair(Func):
    """Columns or values that are compared one after the other."""

    template = "ROW(%(expressions)s)"
    output_field = BooleanField()  # of no meaning: a row has no type of its own


@dataclass(frozen=True, slots=True)
class Order:
    """An order by a value, and among rows with the same one by key; the greatest first, unless it is said otherwise.

    Attributes:
        value: a column or expression that is never NULL; None orders by keys alone.
        read: makes a value of its text in an address; raises ValueError or OverflowError if it is none.
        write: the opposite.
    """

    value: Combinable | None = None
    read: Callable[[str], Any] = int
    write: Callable[[Any], str] = str
    descending: bool = True

    def reversed(self) -> Self:
        """Return the opposite order."""
        return replace(self, descending=not self.descending)

    def columns(self) -> list[OrderBy]:
        """Return what to sort by."""
        return [column.desc() if self.descending else column.asc() for column in self._columns()]

    def sort[Row: QuerySet[Any]](self, rows: Row) -> Row:
        """Return rows in this order; each knows its value as `place_value`."""
        ordered = rows.order_by(*self.columns())
        return ordered if self.value is None else ordered.annotate(place_value=self.value)

    def behind[Row: QuerySet[Any]](self, rows: Row, place: Place | None) -> Row:
        """Return the rows that come after a place, in this order; all of them without one."""
        if place is None:
            return self.sort(rows)
        beyond = LessThan if self.descending else GreaterThan
        values = [Value(place.key)] if self.value is None else [Value(place.value), Value(place.key)]
        return self.sort(rows.filter(beyond(_Pair(*self._columns()), _Pair(*values))))

    def place_of(self, row: Any) -> Place:
        """Return where a row stands that came from `sort` or `behind`."""
        return Place(None if self.value is None else row.place_value, row.pk)

    def format_place(self, place: Place) -> str:
        """Return a place as text for an address."""
        return str(place.key) if self.value is None else f"{self.write(place.value)}{BETWEEN}{place.key}"

    def parse_place(self, text: str) -> Place:
        """Return what `format_place` was given.

        Raises:
            NoPlace: it is something else, or no row can stand there.
        """
        value, _between, key = text.rpartition(BETWEEN)
        try:
            place = Place(None if self.value is None else self.read(value), int(key))
        except (ValueError, OverflowError) as error:
            raise NoPlace(text) from error
        if abs(place.key) >= 2**63 or (self.value is None and value):
            raise NoPlace(text)
        return place

    def read_all(self, rows: QuerySet[Any]) -> Iterator[Any]:
        """Yield all rows a chunk at a time, so that neither memory nor a transaction grows with how many there are."""
        place = None
        while chunk := list(self.behind(rows, place)[:CHUNK]):
            yield from chunk
            place = self.place_of(chunk[-1])

    def _columns(self) -> list[Any]:
        return [F("pk")] if self.value is None else [self.value, F("pk")]
