"""Stream file downloads and write CSV that is safe to open in spreadsheets."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

#: Positions at which a spreadsheet can run part of a cell as a formula, which can send other cells to a third party. In
#: many countries the separator is a semicolon. Spreadsheets with these settings also split quoted cells at `;`, tabs
#: and line ends. Whitespace and quotes before the formula may be ignored. They are matched without backtracking (`*+`),
#: so the time is proportional to the text length.
FORMULA_STARTS = re.compile(r"""\A(?=[\t\r\n])|(\A|[;\t\r\n])((?:[^\S\t\r\n]|")*+)(?=[=+\-@＝＋－＠])""")
CSV_CONTENT_TYPE = "text/csv; charset=utf-8"


def file_response(lines: Iterable[str], content_type: str, *, name: str, extension: str) -> StreamingHttpResponse:
    """Stream `lines` as a download. The filename contains `name` and the current time in UTC."""
    filename = f"{name}-{timezone.now():%Y%m%dT%H%M%SZ}.{extension}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(_EchoFile())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([safe_cell(cell.isoformat() if isinstance(cell, datetime) else cell) for cell in row])


def safe_cell(value: Any) -> Any:
    """Prefix each part of a string that a spreadsheet could run as a formula with an apostrophe."""
    return FORMULA_STARTS.sub(r"\1'\2", value) if isinstance(value, str) else value


class _EchoFile:
    """A file-like object whose `write` method returns the text, so that `csv.writer.writerow` returns the line."""

    def write(self, text: str) -> str:
        return text
