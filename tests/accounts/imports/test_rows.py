"""Read CSV and JSON Lines files with hostile content, line by line and with limited memory."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.imports import rows
from accounts.imports.rows import MAX_LINE_BYTES, FileError, Refusal, Row

HEADER = "email,name,roles\n"


def read(content: str | bytes, suffix: str = ".csv") -> list[Row | Refusal]:
    return list(rows.read(io.BytesIO(content.encode() if isinstance(content, str) else content), suffix))


def reasons(content: str | bytes, suffix: str = ".csv") -> list[tuple[int, str]]:
    return [(entry.line, entry.reason) for entry in read(content, suffix) if isinstance(entry, Refusal)]


@pytest.mark.parametrize(
    "content",
    (
        f"{HEADER}Olive@Example.com,Olive Owner,builder client\n".encode(),
        b'\xef\xbb\xbfEmail;Name;Roles\r\nolive@example.com;Olive Owner;"BUILDER,CLIENT"\r\n',
        b"roles\tfirst_name\tlast_name\temail\nBUILDER|CLIENT\tOlive\t Owner \t olive@example.com ",
    ),
)
def test_csv_with_any_delimiter_line_ending_and_bom(content: bytes) -> None:
    assert read(content) == [Row(2, "olive@example.com", "Olive Owner", "", ["BUILDER", "CLIENT"])]


def test_json_lines() -> None:
    content = (
        '\ufeff{"email": "a@example.com", "name": "\\ud800A\\u0000", "username": "a", "roles": ["builder"]}\n'
        '\n{"email": "b@example.com", "name": null}\n'
    )
    assert read(content, ".jsonl") == [
        Row(1, "a@example.com", "A", "a", ["BUILDER"]),
        Row(3, "b@example.com", "", "", ["CLIENT"]),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    (
        (b"\xff\xfe@example.com,Name,", "The line is not valid UTF-8."),
        (b"ol\xc3ive@example.com,Name,", "The line is not valid UTF-8."),
        (b",Name,", "email is missing or is not an email address."),
        (b"nobody,Name,", "email is missing or is not an email address."),
        (b"a\x00b@example.com,Name,", "email is missing or is not an email address."),
        ("\u212aim@example.com,Kelvin,".encode(), "email is missing or is not an email address."),
        (b"a@example.com," + b"x" * 201 + b",", "name is longer than 200 characters."),
        (b"a@example.com," + b"x" * 70_000 + b",", f"The line is longer than {MAX_LINE_BYTES} bytes."),
        (b"a@example.com,Name", "The row has 2 values, but there are 3 columns."),
        (b"a@example.com,Name,,", "The row has 4 values, but there are 3 columns."),
        (b'a@example.com,"Name,', "The quotation marks are wrong. A quoted value must end on the same line."),
        (b"a@example.com,Name,ADMIN", "roles contains ADMIN, which only an admin can give."),
        (b"a@example.com,Name,OWNER", "roles contains an unknown role. Possible roles: BUILDER, CLIENT."),
    ),
)
def test_invalid_csv_line_is_refused_and_the_next_is_read(line: bytes, reason: str) -> None:
    entries = read(HEADER.encode() + line + b"\nb@example.com,B,\n")
    assert entries == [Refusal(2, reason), Row(3, "b@example.com", "B", "", ["CLIENT"])]


@pytest.mark.parametrize(
    ("line", "reason"),
    (
        ("{", "The line is not JSON."),
        ("[" * 60_000, "The line is not JSON."),
        ("[1]", "The line is not a JSON object."),
        ('{"email": "a@example.com", "password": "x"}', "The object has an unknown key. Possible keys: "),
        ('{"email": 7}', "email is not text."),
        ('{"email": "a@example.com", "roles": [7]}', "roles is not a list of text."),
        ('{"email": "a@example.com", "roles": {"a": 1}}', "roles is not text."),
        ('{"email": "a@example.com", "roles": ["Admin"]}', "roles contains ADMIN"),
    ),
)
def test_invalid_json_line_is_refused(line: str, reason: str) -> None:
    [(number, found)] = reasons(f"{line}\n", ".jsonl")
    assert number == 1
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("name", "stored"),
    (
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("Ol\x1b[31mive\u202e", "Ol [31mive"),
        ("\u200b\u2060", ""),
        ("<script>", "<script>"),
    ),
)
def test_hostile_names_are_cleaned_like_names_from_clerk(name: str, stored: str) -> None:
    [row] = read(f"email,name\na@example.com,{name}\n")
    assert isinstance(row, Row)
    assert row.name == stored


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    (
        (b"", ".csv", "contain email"),
        (b"name,roles\n", ".csv", "contain email"),
        (b"email,password\n", ".csv", "Possible columns: email"),
        (b"email,email\n", ".csv", "name each column once"),
        (b"\xff\xfee\x00m\x00", ".csv", "Save it as UTF-8"),
        (b"\xe9mail\n", ".csv", "encoded as UTF-8"),
        (b"x" * 200_000, ".csv", "contain email"),
        (b"email\n", ".xlsx", "must end with .csv or .jsonl"),
    ),
)
def test_unreadable_file_is_rejected(content: bytes, suffix: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read(content, suffix)


def hostile_pieces() -> Iterator[bytes]:
    yield HEADER.encode()
    for number in range(20_000):
        yield f'user{number}@example.com,"Name {number}",\n'.encode()
    for _ in range(800):  # a line of 50 MB
        yield b'"' * 64_000
    yield b"\nlast@example.com,Last,\n"


def test_memory_is_limited(tmp_path: Path) -> None:
    path, count, last = tmp_path / "accounts.csv", 0, None
    with path.open("wb") as file:
        file.writelines(hostile_pieces())
    tracemalloc.start()
    with path.open("rb") as file:
        for entry in rows.read(file, ".csv"):
            count, last = count + 1, entry
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_002
    assert last == Row(20_003, "last@example.com", "Last", "", ["CLIENT"])
    assert peak < 2_000_000
