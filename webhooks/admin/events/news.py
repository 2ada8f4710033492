"""Poll endpoint that sends new and changed events to open event lists.

The list sends the oldest transaction that was open when its rows were last read. One small statement checks whether an
event has changed in that transaction or a later one. Comparing with the newest event would miss events whose
transaction began earlier but committed later.
"""

from typing import Any, NamedTuple, cast

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from core.admin.keyset import KeysetAdmin, QueryTimeout, fetch_rows
from core.db.cursors import InvalidCursor, format_cursor, parse_cursor
from webhooks.admin.events.list import EventChangeList
from webhooks.admin.pages import operators_page
from webhooks.models import WebhookEvent

#: The query parameter that contains the list's position.
SEEN = "seen"
INTERVAL_S = 5
#: Larger counts are shown as "more than". The timeout limits counts with filters that match few events.
MAX_COUNTED, COUNT_TIMEOUT_MS = 99, 500
#: Transaction IDs are below 2**63.
CHANGED_SINCE = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    EXISTS (SELECT FROM webhooks_webhookevent WHERE changed_in >= %s)
"""
TEMPLATE = "admin/webhooks/webhookevent/_news.html"


class Position(NamedTuple):
    """The state of an open list.

    Attributes:
        transaction: the oldest transaction that was open when the list read its rows.
        newest_id: ID of the newest event when the page was loaded. Later events are counted as new.
    """

    transaction: int
    newest_id: int

    def __str__(self) -> str:
        return format_cursor(self)


def current_position() -> Position:
    """Return the position for a new page. Call it before the rows are read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, (SELECT max(id) FROM webhooks_webhookevent)"
        )
        transaction, newest_id = cursor.fetchone()
    return Position(transaction, newest_id or 0)


def next_position(seen: Position) -> Position | None:
    """Return the position for the next request, or None if no event has changed."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGED_SINCE, [seen.transaction])
        transaction, has_changed = cursor.fetchone()
    return seen._replace(transaction=transaction) if has_changed else None


class NewsMixin(KeysetAdmin[WebhookEvent]):
    """Adds the URL that an open list polls."""

    def get_urls(self) -> list[URLPattern]:
        view = operators_page(require_safe(self.news))
        return [path("news/", view, name="webhooks_webhookevent_news"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = (
            {SEEN: current_position(), "interval_s": INTERVAL_S, "can_replay_rows": True}
            if request.method == "GET"
            else {}
        )
        return super().changelist_view(request, (extra_context or {}) | context)

    def news(self, request: HttpRequest) -> HttpResponse:
        """Return rows for the first page, or the number of new events for other pages.

        Respond with 204 if nothing has changed.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        parameters = request.GET.copy()
        text = parameters.pop(SEEN, [""])[-1]
        cast("Any", request).GET = parameters  # not a parameter of the change list
        try:
            seen = Position(*parse_cursor(str(text), [int, int]))
            position = next_position(seen)
            changelist = self.get_changelist_instance(request) if position else None
        except (InvalidCursor, IncorrectLookupParameters):
            return HttpResponse(status=204)
        if changelist is None:
            return HttpResponse(status=204)
        assert isinstance(changelist, EventChangeList)  # noqa: S101
        context: dict[str, Any] = {SEEN: position, "cl": changelist, "opts": self.opts}
        if changelist.is_first_page:
            context |= {"action_form": bool(self.get_actions(request)), "preserved_filters": ""}
        else:
            context["number"] = count_newer(changelist, seen.newest_id)
        return render(request, TEMPLATE, context)


def count_newer(changelist: EventChangeList, newest_id: int) -> int:
    """Count newer events that match the list's filters, up to MAX_COUNTED + 1.

    Returns:
        the count, or 0 if counting takes too long.
    """
    newer = changelist.queryset.filter(pk__gt=newest_id).order_by().values_list("pk", flat=True)
    try:
        return len(fetch_rows(newer[: MAX_COUNTED + 1], COUNT_TIMEOUT_MS))
    except QueryTimeout:
        return 0
