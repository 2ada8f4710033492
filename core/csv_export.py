"""Streaming file downloads, and CSV that spreadsheets can open safely."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

#: Spreadsheets run cells that start with these as formulas, and a formula can send other cells to a third party.
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CSV_CONTENT_TYPE = "text/csv; charset=utf-8"


def file_response(lines: Iterable[str], content_type: str, *, name: str, extension: str) -> StreamingHttpResponse:
    """Stream `lines` as a download. The filename is `name` and the current time in UTC."""
    filename = f"{name}-{timezone.now():%Y%m%dT%H%M%SZ}.{extension}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_EchoFile())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([safe_cell(cell.isoformat() if isinstance(cell, datetime) else cell) for cell in row])


def safe_cell(value: Any) -> Any:
    """Prefix a string that spreadsheets would run as a formula with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_PREFIXES) else value


class _EchoFile:
    """A file-like object whose `write` returns the text, so that `csv.writer.writerow` returns the line."""

    def write(self, text: str) -> str:
        return text
