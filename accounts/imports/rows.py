"""Read accounts from a CSV or JSON Lines file, one line at a time.

Each line is a record of its own, so a wrong quotation mark affects only its own line, and memory use is limited.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from accounts.clerk.fields import normalize_email
from accounts.models import User
from core.text import clean_line

COLUMNS = ("email", "name", "first_name", "last_name", "username", "roles")
#: Longer lines are refused without being read into memory.
MAX_LINE_BYTES = 64_000
MAX_LENGTHS = {"name": 200, "username": 150}
DELIMITERS = ",;\t"
_BOM, _UTF_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_BETWEEN_ROLES = re.compile(r"[\s,;|]+")


class FileError(Exception):
    """The file cannot be read at all. The message contains the next action."""


class _RowError(Exception):
    """The row is refused. The message is the reason, and contains no values from the row."""


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    email: str
    name: str
    username: str
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    line: int
    reason: str


def read(file: BinaryIO, suffix: str) -> Iterator[Row | Refusal]:
    """Yield the accounts in a file, and a refusal for each line that cannot be imported.

    Args:
        suffix: .csv or .jsonl.

    Raises:
        FileError: the file has another format, or lacks a required column.
    """
    lines = _lines(file)
    if suffix == ".jsonl":
        parse: Callable[[str], Mapping[str, Any]] = _parse_json
    elif suffix == ".csv":
        parse = _csv_parser(next(lines, (1, b""))[1])
    else:
        raise FileError("The name of the file must end with .csv or .jsonl.")
    for number, line in lines:
        if line is None or line.strip():
            yield _read_line(number, line, parse)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield line numbers and lines, with None for lines that are too long."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            line = _without_bom(line)
        is_whole = len(line) < MAX_LINE_BYTES or line.endswith(b"\n")
        while line and not is_whole and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE_BYTES)
        yield number, line if is_whole else None


def _without_bom(line: bytes) -> bytes:
    if line.startswith(_UTF_16):
        raise FileError("The file is encoded as UTF-16. Save it as UTF-8.")
    return line.removeprefix(_BOM)


def _read_line(number: int, line: bytes | None, parse: Callable[[str], Mapping[str, Any]]) -> Row | Refusal:
    try:
        if line is None:
            raise _RowError(f"The line is longer than {MAX_LINE_BYTES} bytes.")
        return _row(number, parse(line.decode("utf-8")))
    except UnicodeDecodeError:
        return Refusal(number, "The line is not valid UTF-8.")
    except _RowError as error:
        return Refusal(number, str(error))


def _csv_parser(header_line: bytes | None) -> Callable[[str], Mapping[str, Any]]:
    """Return a function that parses a line with the columns and the delimiter of the header."""
    try:
        header = (header_line or b"").decode("utf-8").strip()
        delimiter = max(DELIMITERS, key=header.count)
        columns = [column.strip().lower() for column in _split(header, delimiter)]
    except (UnicodeDecodeError, _RowError) as error:
        raise FileError("The first line must contain the names of the columns, encoded as UTF-8.") from error
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown or len(set(columns)) < len(columns) or "email" not in columns:
        raise FileError(
            f"The first line must name each column once, and contain email. Possible columns: {', '.join(COLUMNS)}."
        )

    def parse(line: str) -> Mapping[str, Any]:
        values = _split(line.rstrip("\r\n"), delimiter)
        if len(values) != len(columns):
            raise _RowError(f"The row has {len(values)} values, but there are {len(columns)} columns.")
        return dict(zip(columns, values, strict=True))

    return parse


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        raise _RowError("The quotation marks are wrong. A quoted value must end on the same line.") from None


def _parse_json(line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise _RowError("The line is not JSON.") from None
    if not isinstance(found, dict):
        raise _RowError("The line is not a JSON object.")
    if not found.keys() <= set(COLUMNS):
        raise _RowError(f"The object has an unknown key. Possible keys: {', '.join(COLUMNS)}.")
    return found


def _row(number: int, values: Mapping[str, Any]) -> Row:
    email = normalize_email(_text(values, "email"))
    if not email:
        raise _RowError("email is missing or is not an email address.")
    parts = (clean_line(_text(values, column)) for column in ("first_name", "last_name"))
    name = clean_line(_text(values, "name")) or " ".join(filter(None, parts))
    cleaned = {"name": name, "username": clean_line(_text(values, "username"))}
    for column, limit in MAX_LENGTHS.items():
        if len(cleaned[column]) > limit:
            raise _RowError(f"{column} is longer than {limit} characters.")
    return Row(number, email, cleaned["name"], cleaned["username"], _roles(values))


def _text(values: Mapping[str, Any], column: str) -> str:
    value = values.get(column)
    if value is not None and not isinstance(value, str):
        raise _RowError(f"{column} is not text.")
    return value or ""


def _roles(values: Mapping[str, Any]) -> list[str]:
    """Return the roles in a list, or in text with spaces or punctuation between them. Without a role, users are clients."""
    given = values.get("roles")
    names = given if isinstance(given, list) else _BETWEEN_ROLES.split(_text(values, "roles"))
    if not all(isinstance(name, str) for name in names):
        raise _RowError("roles is not a list of text.")
    roles = {name.strip().upper() for name in names if name.strip()}
    if User.Role.ADMIN in roles:
        raise _RowError("roles contains ADMIN, which only an admin can give.")
    if not roles <= User.SELF_SERVICE_ROLES:
        raise _RowError(
            f"roles contains an unknown role. Possible roles: {', '.join(sorted(User.SELF_SERVICE_ROLES))}."
        )
    return sorted(roles) or [User.Role.CLIENT]
