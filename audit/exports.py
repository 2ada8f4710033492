"""Rows of the log as a file, for auditors and for other tools. Taking them along is itself in the log."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from audit import log
from audit.log import Origin
from audit.models import AuditLog
from core import csv_export
from core.db.keyset import Ordering

COLUMNS = (
    *("id", "timestamp", "action", "source", "actor_id", "actor_label", "impersonator", "target", "target_label"),
    *("subject_id", "changed", "details", "delivery", "ip_address", "user_agent", "transaction"),
)


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
    content_type, extension, write = FORMATS[form]
    newest = AuditLog.objects.all().last_id() or 0
    log.record(AuditLog.Action.AUDIT_EXPORTED, actor=actor, target=actor, origin=origin, format=form, filters=chosen)
    found = Ordering().iterate(rows.filter(pk__lte=newest).only(*COLUMNS))
    return csv_export.file_response(write(found), content_type, name="audit-log", extension=extension)


def _csv(rows: Iterable[AuditLog]) -> Iterator[str]:
    return csv_export.csv_lines(COLUMNS, ([_flat(getattr(row, column)) for column in COLUMNS] for row in rows))


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(value)
    return _json(value) if isinstance(value, dict) else value


def _lines(rows: Iterable[AuditLog]) -> Iterator[str]:
    for row in rows:
        cells = {column: getattr(row, column) for column in COLUMNS}
        yield _json(cells | {"timestamp": row.timestamp.isoformat()}) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


type Writer = Callable[[Iterable[AuditLog]], Iterator[str]]
#: Content type, ending and writer of each form of file.
FORMATS: dict[str, tuple[str, str, Writer]] = {
    "csv": (csv_export.CSV_CONTENT_TYPE, "csv", _csv),
    "jsonl": ("application/jsonl; charset=utf-8", "jsonl", _lines),
}
