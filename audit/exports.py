"""Export audit rows to a file for auditors and other tools. Each export is also logged."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core import csv_export
from core.db.keyset import Ordering

COLUMNS = (
    *("id", "timestamp", "action", "source", "actor_id", "actor_label", "impersonator", "target", "target_label"),
    *("subject_id", "changed_fields", "details", "delivery", "ip_address", "user_agent", "transaction"),
)


def export_response(
    rows: QuerySet[AuditLog],
    file_format: str,
    *,
    actor: Actor,
    chosen_filters: Mapping[str, str],
) -> StreamingHttpResponse:
    """Log the export and stream the rows, newest first. Rows written during the export are not included.

    Args:
        file_format: one of FORMATS.
        chosen_filters: the selected filters, which are recorded in the log.
    """
    assert isinstance(actor.user, AbstractBaseUser)  # noqa: S101  # admin_view requires sign-in
    content_type, extension, write = FORMATS[file_format]
    newest = AuditLog.objects.all().last_id() or 0
    log.record(
        AuditLog.Action.AUDIT_EXPORTED,
        actor=actor,
        target=actor.user,
        format=file_format,
        filters=chosen_filters,
    )
    found = Ordering().iterate(rows.filter(pk__lte=newest).only(*COLUMNS))
    return csv_export.file_response(write(found), content_type, name="audit-log", extension=extension)


def _csv(rows: Iterable[AuditLog]) -> Iterator[str]:
    return csv_export.csv_lines(COLUMNS, ([_csv_value(getattr(row, column)) for column in COLUMNS] for row in rows))


def _csv_value(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(value)
    return _json(value) if isinstance(value, dict) else value


def _json_lines(rows: Iterable[AuditLog]) -> Iterator[str]:
    for row in rows:
        cells = {column: getattr(row, column) for column in COLUMNS}
        yield _json(cells | {"timestamp": row.timestamp.isoformat()}) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


type Writer = Callable[[Iterable[AuditLog]], Iterator[str]]
#: Content type, file extension and writer for each format.
FORMATS: dict[str, tuple[str, str, Writer]] = {
    "csv": (csv_export.CSV_CONTENT_TYPE, "csv", _csv),
    "jsonl": ("application/jsonl; charset=utf-8", "jsonl", _json_lines),
}
