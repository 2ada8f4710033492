"""One person's story in the admin, and what was known of the person at a time."""

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
from webhooks.admin import changes
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.monitoring import point_in_time, timeline


@operators_page
@require_safe
def person_story(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show what happened to a person, newest first, and what was known at the time asked for."""
    if not may_view_events(request) or not admin.site.get_model_admin(User).has_view_permission(request):
        raise PermissionDenied
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        messages.warning(request, _("There is no person with that id. Perhaps the address was copied in part."))
        return redirect("admin:accounts_user_changelist")
    moment = _moment(request)
    found = _story(request, user, moment)
    query = {"at": request.GET["at"]} if moment else {}
    context = {
        "title": _("Story of %s") % user,
        "person": user,
        "moment": moment,
        "facts": point_in_time.at(user, moment) if moment else None,
        "lines": [(line, _words(line)) for line in found.lines],
        "further": urlencode(query | {"before": found.further}) if found.further else "",
        "is_first": "before" not in request.GET,
    }
    return render(request, "admin/webhooks/story.html", admin.site.each_context(request) | context)


def _moment(request: HttpRequest) -> datetime | None:
    """Return the time asked for, in UTC unless it says otherwise; what is no time is ignored, and said."""
    text = request.GET.get("at", "")
    try:
        moment = parse_datetime(text)
        if moment and timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
        moment = moment.astimezone(UTC) if moment else None  # PostgreSQL knows fewer time zones than Python
    except (ValueError, OverflowError):
        moment = None
    if text and moment is None:
        messages.warning(request, _("That is no time, so this is the whole story. Write it like 2026-11-20T09:30."))
    return moment


def _story(request: HttpRequest, user: User, until: datetime | None) -> timeline.Story:
    try:
        return timeline.tell(user, place=request.GET.get("before", ""), until=until)
    except timeline.NoPlace:
        messages.warning(request, _("That is no place in this story, so this is its newest page."))
        return timeline.tell(user, until=until)


def _words(line: timeline.Line) -> dict[str, Any]:
    """Return what a line is called: the icon, the kind, what happened, and for audit rows how and what changed."""
    row = line.row
    match line.source:
        case "e":
            return {"icon": row.state, "kind": _("Event"), "what": row.event_type, "state": row.get_state_display()}
        case "s":
            return {"icon": "session", "kind": _("Session"), "what": _("Ended: %s") % row.session_id}
        case "p":
            return {"icon": "push", "kind": _("Push"), "what": row.get_state_display()}
    return changes.describe(row)
