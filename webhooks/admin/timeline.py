"""The timeline of a user in the admin, and the user's state at a point in time."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import User
from core.db.cursors import InvalidCursor
from webhooks.admin import changes
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.monitoring import point_in_time, timeline


@operators_page
@require_safe
def user_timeline(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show a user's timeline, newest first, optionally up to the time in the `at` parameter."""
    if not may_view_events(request) or not admin.site.get_model_admin(User).has_view_permission(request):
        raise PermissionDenied
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        messages.warning(request, _("No user has this ID. Check that you copied the whole link."))
        return redirect("admin:accounts_user_changelist")
    selected_time = _parse_time(request)
    page = _fetch_page(request, user, selected_time)
    query = {"at": request.GET["at"]} if selected_time else {}
    context = {
        "title": _("Timeline for %s") % user,
        "person": user,
        "selected_time": selected_time,
        "fields": point_in_time.fields_at(user, selected_time) if selected_time else None,
        "entries": [(entry, _describe(entry)) for entry in page.entries],
        "next_page": urlencode(query | {"before": page.next_cursor}) if page.next_cursor else "",
        "is_first_page": "before" not in request.GET,
    }
    return render(request, "admin/webhooks/timeline.html", admin.site.each_context(request) | context)


def _parse_time(request: HttpRequest) -> datetime | None:
    """Return the `at` parameter, in UTC unless it has an offset. Show a warning and return None if it is invalid."""
    text = request.GET.get("at", "")
    try:
        selected_time = parse_datetime(text)
        if selected_time and timezone.is_naive(selected_time):
            selected_time = timezone.make_aware(selected_time)
        # PostgreSQL accepts fewer time zone offsets than Python.
        selected_time = selected_time.astimezone(UTC) if selected_time else None
    except (ValueError, OverflowError):
        selected_time = None
    if text and selected_time is None:
        messages.warning(
            request, _("Invalid time. Use the format 2026-11-20T09:30. Showing the whole timeline instead.")
        )
    return selected_time


def _fetch_page(request: HttpRequest, user: User, until: datetime | None) -> timeline.Page:
    try:
        return timeline.fetch_page(user, cursor=request.GET.get("before", ""), until=until)
    except InvalidCursor:
        messages.warning(request, _("Invalid page link. Showing the newest entries instead."))
        return timeline.fetch_page(user, until=until)


def _describe(entry: timeline.Entry) -> dict[str, Any]:
    """Return an entry's labels and icon. For an audit log entry, also return the changed fields."""
    row = entry.row
    match entry.source:
        case "e":
            return {"icon": row.state, "kind": _("Event"), "title": row.event_type, "state": row.get_state_display()}
        case "s":
            return {"icon": "session", "kind": _("Session"), "title": _("Ended: %s") % row.session_id}
        case "p":
            return {"icon": "push", "kind": _("Push"), "title": row.get_state_display()}
    return changes.describe(row)
