"""Pagination cursors for URLs. For example, "812.4711" starts after the row with the value 812 and the ID 4711."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

#: PostgreSQL's maximum bigint.
MAX_ID = 2**63 - 1
_NUMBER = re.compile(r"-?[0-9]{1,19}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InvalidCursor(ValueError):
    """The text is not a cursor of this list."""


def format_cursor(values: Sequence[Any]) -> str:
    """Return the cursor for a row. Values must be datetimes, timedeltas or non-negative integers."""
    return ".".join(str(_to_number(value)) for value in values)


def parse_cursor(text: str, types: Sequence[type]) -> tuple[Any, ...]:
    """Parse a cursor and return its values.

    Raises:
        InvalidCursor: the text is malformed, a number does not fit its type, or the number of values differs.
    """
    parts = text.split(".", len(types))
    if len(parts) != len(types) or not all(map(_NUMBER.fullmatch, parts)):
        raise InvalidCursor(text)
    try:
        return tuple(_from_number(int(part), kind) for part, kind in zip(parts, types, strict=True))
    except OverflowError as error:
        raise InvalidCursor(text) from error


def parse_id(text: str) -> int | None:
    """Return a row's ID, or None if the text is not a positive bigint."""
    number = int(text) if _NUMBER.fullmatch(text) else 0
    return number if 0 < number <= MAX_ID else None


def _to_number(value: Any) -> int:
    if isinstance(value, datetime):
        value -= _EPOCH
    return value // _MICROSECOND if isinstance(value, timedelta) else int(value)


def _from_number(number: int, kind: type) -> Any:
    if abs(number) > MAX_ID or (number < 0 and kind is not timedelta):
        raise OverflowError(number)
    if kind is datetime:
        return _EPOCH + number * _MICROSECOND
    return number * _MICROSECOND if kind is timedelta else number
