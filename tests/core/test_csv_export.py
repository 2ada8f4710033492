"""Exported cells are plain text in every spreadsheet, regardless of its separator."""

import csv
import io
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.csv_export import csv_lines, safe_cell

FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
SEPARATORS = (",", ";", "\t")


def cells(text: str, separator: str) -> list[str]:
    """Parse an export as a spreadsheet with this separator would."""
    lines = "".join(csv_lines(["first", "second", "third"], [[1, text, "end"]]))
    return [cell for row in csv.reader(io.StringIO(lines, newline=""), delimiter=separator) for cell in row]


@given(st.text(alphabet="ab;,\t\r\n\"'=+-@＝ \xa0", max_size=12))
@example("Al;=cmd|' /C calc'!A0")
@example("Al\t=1")
@example('Al; "=1"')
@example("Al\n=1")
@example(" =1")
def test_no_separator_turns_text_into_a_formula(text: str) -> None:
    for separator in SEPARATORS:
        formulas = [cell for cell in cells(text, separator) if cell.strip('" \t\r\n\xa0').startswith(FORMULA_STARTS)]
        assert formulas == [], separator


@pytest.mark.parametrize("text", ("Al; Bo", "a-b", "1;2", "x = y", "<a@b.example>", "", "O'Neil; Sons"))
def test_harmless_text_is_unchanged(text: str) -> None:
    assert safe_cell(text) == text


@pytest.mark.parametrize("unit", ("\t", ";", " ", '"', "; "))
def test_time_is_proportional_to_the_length(unit: str) -> None:
    started = time.perf_counter()
    safe_cell(unit * 200_000)
    assert time.perf_counter() - started < 1  # a quadratic pattern takes minutes
