"""Export events as CSV, without payloads and error messages."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from audit import log
from audit.log import Actor
from audit.models import AuditLog
from core import csv_export
from core.db.keyset import Ordering
from webhooks.models import WebhookEvent

FIELDS = (
    *("id", "svix_id", "event_type", "state", "received_at", "occurred_at", "processed_at", "next_attempt_at"),
    *("attempts", "deliveries", "last_delivery_at", "error_class", "clerk_user_id", "instance_id", "source_address"),
)
COLUMNS = (*FIELDS, "lag_s", "duration_s", "error")


def response(
    events: QuerySet[WebhookEvent],
    order: Ordering,
    *,
    actor: Actor,
    filters: Mapping[str, Any],
) -> StreamingHttpResponse:
    """Stream events as CSV and record the export in the audit log.

    Events that arrive during the export are not included.

    Args:
        order: the order of the rows.
        filters: the filters of the list, for the audit log.
    """
    assert isinstance(actor.user, AbstractBaseUser)  # noqa: S101  # the admin requires sign-in
    newest = WebhookEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    log.record(AuditLog.Action.EVENTS_EXPORTED, actor=actor, target=actor.user, format="csv", filters=filters)
    found = order.iterate(events.filter(pk__lte=newest).select_related(None).only(*FIELDS, "duration", "last_error"))
    return csv_export.file_response(
        csv_export.csv_lines(COLUMNS, map(_row, found)), csv_export.CSV_CONTENT_TYPE, name="events", extension="csv"
    )


def _row(event: WebhookEvent) -> list[Any]:
    lag = event.lag
    durations = (None if lag is None else lag.total_seconds(), event.duration.total_seconds())
    # Export only the class of an error, because the message may quote the payload, such as a duplicate email address.
    error, _colon, _text = event.last_error.partition(":")
    return [
        *(getattr(event, name) for name in FIELDS),
        *durations,
        error if error.isidentifier() and event.error_class else "",
    ]
