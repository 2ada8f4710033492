"""Order rows with a `position`: projects of a portfolio and images of a project."""

from collections.abc import Sequence
from typing import Any


def reordered[Row: Any](rows: Sequence[Row], ids: Sequence[int]) -> list[Row]:
    """Return the rows in the order of `ids`.

    Unknown ids are ignored. Rows that are missing from `ids` follow in their current order.
    """
    positions = {pk: position for position, pk in enumerate(dict.fromkeys(ids))}
    return sorted(rows, key=lambda row: positions.get(row.pk, len(positions)))


def moved[Row: Any](rows: Sequence[Row], pk: int, by: int) -> list[Row]:
    """Return the rows after moving one row by a number of positions, but not beyond either end."""
    ordered = [row for row in rows if row.pk != pk]
    for position, row in enumerate(rows):
        if row.pk == pk:
            ordered.insert(max(0, position + by), row)
    return ordered


def save(rows: Sequence[Any], ordered: Sequence[Any]) -> bool:
    """Save the positions of `ordered`. Return whether the order has changed."""
    if list(ordered) == list(rows):
        return False
    for position, row in enumerate(ordered):
        if row.position != position:
            row.position = position
            row.save(update_fields=["position"])
    return True
