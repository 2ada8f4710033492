"""The Diagnostics page, which shows the latest results of the `manage.py clerk_doctor` checks."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.http import SiteRequest
from webhooks.admin.events.actions import can_repair
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.doctor import jobs, runner
from webhooks.doctor.catalogue import CHECKS, Check
from webhooks.models import CheckResult
from webhooks.monitoring.measurements.jobs import has_worker

State = CheckResult.State
#: Results are unreliable this long after the next run of their check was due.
OVERDUE_AFTER = timedelta(minutes=3)
ICONS = {State.PASSED: "good", State.FAILED: "bad", State.SKIPPED: "ignored"}


class Row(NamedTuple):
    """A check and its latest result, which is None if the check has never run."""

    name: str
    check: Check
    result: CheckResult | None
    icon: str


@operators_page
@require_http_methods(["GET", "HEAD", "POST"])
def diagnostics(request: SiteRequest) -> HttpResponse:
    """Show the latest results. POST queues a run of all checks, and the page polls until its results are stored."""
    if not may_view_events(request):
        raise PermissionDenied
    if request.method == "POST":
        return _run_now(request)
    context = build_context() | {"can_run": can_repair(request)}
    if request.htmx:
        return render(request, "admin/webhooks/diagnostics.html#live", context)
    return render(request, "admin/webhooks/diagnostics.html", admin.site.each_context(request) | context)


def _run_now(request: SiteRequest) -> HttpResponse:
    if not can_repair(request):
        raise PermissionDenied
    jobs.request_run()
    return redirect("webhooks:diagnostics")


def build_context() -> dict[str, Any]:
    results = runner.latest()
    rows = [_row(name, check, results.get(name)) for name, check in CHECKS.items()]
    rows.sort(key=lambda row: row.icon != "bad")  # failed checks first, then in catalogue order
    failed = sum(row.icon == "bad" for row in rows)
    return {
        "title": _("Diagnostics"),
        "rows": rows,
        "failed": failed,
        "unknown": sum(row.result is None for row in rows),
        "outdated": any(row.result and row.icon == "unknown" for row in rows),
        "has_worker": has_worker(),
        "oldest": _oldest(results),
        "is_running": jobs.is_run_requested(),
    }


def _row(name: str, check: Check, result: CheckResult | None) -> Row:
    if result is None or _is_unreliable(check, result):
        return Row(name, check, result, "unknown")
    return Row(name, check, result, ICONS[State(result.state)])


def _is_unreliable(check: Check, result: CheckResult) -> bool:
    """Return whether a check passed so long ago that its result may be wrong now."""
    is_overdue = timezone.now() - result.checked_at > check.every + OVERDUE_AFTER
    return result.state == State.PASSED and is_overdue


def _oldest(results: dict[str, CheckResult]) -> datetime | None:
    return min((result.checked_at for result in results.values()), default=None)
