"""Tests for pagination cursors."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.db.cursors import InvalidCursor, format_cursor, parse_cursor, parse_id

ROWS: list[tuple[Any, ...]] = [
    (812, 4711),
    (2**63 - 1,),
    (datetime(2026, 11, 20, 9, 30, 0, 1, UTC), 7),
    (datetime.max.replace(tzinfo=UTC), 7),
    (timedelta(microseconds=-3), 7),
    (timedelta(days=400), 7),
]


@pytest.mark.parametrize("values", ROWS)
def test_cursor_is_parsed_back(values: tuple[Any, ...]) -> None:
    assert parse_cursor(format_cursor(values), [type(value) for value in values]) == values


@pytest.mark.parametrize(
    "text", ("", "x", "1", "1.2.3", "-1.5", "1.-5", "1e3.5", "1. 5", "٣.٣", f"1.{2**63}", "9" * 25 + ".1")
)
@pytest.mark.parametrize("kind", (int, datetime))
def test_invalid_cursor_is_rejected(text: str, kind: type) -> None:
    with pytest.raises(InvalidCursor):
        parse_cursor(text, [kind, int])


def test_time_after_the_year_9999_is_rejected() -> None:
    with pytest.raises(InvalidCursor):
        parse_cursor(f"{2**63 - 1}.1", [datetime, int])


@pytest.mark.parametrize(("text", "expected"), (("1", 1), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("0", None), ("-1", None), ("x", None)))  # fmt: skip
def test_id_is_a_positive_bigint(text: str, expected: int | None) -> None:
    assert parse_id(text) == expected
