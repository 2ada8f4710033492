"""Rows of the log as a file, for auditors and for other tools. Taking them along is itself in the log."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from audit import log
from audit.log import Origin
from audit.models import AuditLog

COLUMNS = (
    *("id", "timestamp", "action", "source", "actor_id", "actor_label", "impersonator", "target", "target_label"),
    *("subject_id", "changed", "details", "delivery", "ip_address", "user_agent", "transaction"),
)
#: Rows read at once; how many there are in all does not matter.
CHUNK = 1000
#: Spreadsheets take a cell that begins so for a formula, which can send what is beside it to a stranger.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def response(
    rows: QuerySet[AuditLog],
    form: str,
    *,
    actor: AbstractBaseUser | AnonymousUser,
    origin: Origin,
    chosen: Mapping[str, str],
) -> StreamingHttpResponse:
    """Return rows as a file that is sent while it is read, newest first; rows written meanwhile are not in it.

    Args:
        form: one of FORMATS.
        chosen: the filters, for the log.
    """
    assert isinstance(actor, AbstractBaseUser)  # noqa: S101  # the admin lets nobody else in
    kind, ending, write = FORMATS[form]
    newest = AuditLog.objects.all().last_id() or 0
    log.record(AuditLog.Action.AUDIT_EXPORTED, actor=actor, target=actor, origin=origin, format=form, filters=chosen)
    name = f"audit-log-{timezone.now():%Y%m%dT%H%M%SZ}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(write(_read(rows, newest)), content_type=kind, headers=headers)


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _read(rows: QuerySet[AuditLog], newest: int) -> Iterator[dict[str, Any]]:
    """Yield rows by key, a chunk at a time, so that neither memory nor a transaction grows with the file."""
    below = newest + 1
    while chunk := list(rows.filter(pk__lt=below).order_by("-pk").values(*COLUMNS)[:CHUNK]):
        yield from chunk
        below = chunk[-1]["id"]


class _Line:
    """A file of which each written line is returned."""

    def write(self, text: str) -> str:
        return text


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([safe_cell(_flat(row[column])) for column in COLUMNS])


def _flat(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return " ".join(value)
    return _json(value) if isinstance(value, dict) else value


def _lines(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield (
            _json({column: row[column].isoformat() if column == "timestamp" else row[column] for column in COLUMNS})
            + "\n"
        )


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


type Writer = Callable[[Iterable[dict[str, Any]]], Iterator[str]]
#: Content type, ending and writer of each form of file.
FORMATS: dict[str, tuple[str, str, Writer]] = {
    "csv": ("text/csv; charset=utf-8", "csv", _csv),
    "jsonl": ("application/jsonl; charset=utf-8", "jsonl", _lines),
}
