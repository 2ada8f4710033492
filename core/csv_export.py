"""Rows as files that people take along: sent while they are read, and safe to open."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

#: Spreadsheets take a cell that begins so for a formula, which can send what is beside it to a stranger.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CSV = "text/csv; charset=utf-8"


def response(lines: Iterable[str], content_type: str, *, name: str, ending: str) -> StreamingHttpResponse:
    """Return a file to be saved, which is named for what it is and for now."""
    filename = f"{name}-{timezone.now():%Y%m%dT%H%M%SZ}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield a table line by line, its heading first."""
    writer = csv.writer(_Line())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([safe_cell(cell.isoformat() if isinstance(cell, datetime) else cell) for cell in row])


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


class _Line:
    """A file of which each written line is returned."""

    def write(self, text: str) -> str:
        return text
