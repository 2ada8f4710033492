"""Row versions that need no additional column or trigger."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Func, TextField
from django.db.models.sql.compiler import SQLCompiler


class RowVersion(Func):
    """A digest that changes whenever one of the rows is written, by any client and any kind of statement.

    For each row version, PostgreSQL stores the transaction that wrote it (`xmin`) and its location (`ctid`). Both are
    read with the row and never repeat for the same row. Writes that change no value also change the digest.

    Args:
        columns: any column of each table, except a foreign key.
        related: tables whose rows refer to the first table's row, and the referring column.
        also: SQL of other text that the version depends on. It can refer to the tables as {0}, {1} and so on.
    """

    output_field = TextField()

    def __init__(self, *columns: str, related: Iterable[tuple[str, str]] = (), also: Iterable[str] = ()) -> None:
        super().__init__(*map(F, columns))
        self.related, self.also = tuple(related), tuple(also)

    def as_sql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:  # type: ignore[override]  # the stubs list each keyword
        tables = [compiler.compile(column)[0].rpartition(".")[0] for column in self.get_source_expressions()]
        versions = [f"{table}.xmin, {table}.ctid" for table in tables]
        versions += [
            f"(SELECT string_agg(concat(xmin, ctid), '' ORDER BY id) FROM {table} WHERE {column} = {tables[0]}.id)"  # noqa: S608
            for table, column in self.related
        ]
        versions += [sql.format(*tables) for sql in self.also]
        return f"md5(concat({", '|', ".join(versions)}))", []
