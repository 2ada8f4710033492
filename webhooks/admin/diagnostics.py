"""The Diagnostics page, which shows the latest results of the `manage.py clerk_doctor` checks."""

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.http import SiteRequest
from webhooks.admin.event_actions import can_repair
from webhooks.admin.pages import may_view_events, operators_page
from webhooks.doctor import jobs, runner
from webhooks.doctor.catalogue import CHECKS, Check
from webhooks.models import CheckResult
from webhooks.monitoring import health

State = CheckResult.State
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
    if not health.has_worker():
        text = _(
            "No worker is running, so the checks wait. Start a worker, or run manage.py clerk_doctor on the server."
        )
        messages.warning(request, text)
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
        "oldest": _oldest(results),
        "is_running": jobs.is_run_requested(),
    }


def _row(name: str, check: Check, result: CheckResult | None) -> Row:
    return Row(name, check, result, ICONS[State(result.state)] if result else "unknown")


def _oldest(results: dict[str, CheckResult]) -> datetime | None:
    return min((result.checked_at for result in results.values()), default=None)
