"""Pagination cursors in URLs: "812.4711" continues after the row with score 812 and id 4711."""

from datetime import UTC, datetime, timedelta
from typing import Any

#: The maximum of PostgreSQL's bigint.
MAX_ID = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MICROSECONDS = int((datetime.max.replace(tzinfo=UTC) - _EPOCH) / timedelta(microseconds=1))


def parse_id_cursor(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
    return number if 0 < number <= MAX_ID else None


def format_cursor(values: tuple[Any, ...]) -> str:
    """Return the cursor of the row with these values: non-negative integers or datetimes."""
    return ".".join(str(_as_number(value)) for value in values)


def parse_cursor(text: str, kinds: tuple[type, ...]) -> tuple[Any, ...] | None:
    """Return the values of a cursor, or None if it is malformed or does not match `kinds`."""
    parts = text.split(".", len(kinds))
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 20]
    if len(parts) != len(kinds) or len(numbers) != len(kinds):
        return None
    maximum = {int: MAX_ID, datetime: _MAX_MICROSECONDS}
    if any(number > maximum[kind] for number, kind in zip(numbers, kinds, strict=True)):
        return None
    return tuple(_as_time(number) if kind is datetime else number for number, kind in zip(numbers, kinds, strict=True))


def _as_number(value: Any) -> int:
    return round((value - _EPOCH) / timedelta(microseconds=1)) if isinstance(value, datetime) else int(value)


def _as_time(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)
