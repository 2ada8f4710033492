"""The Diagnostics page, which shows the latest results of the `manage.py clerk_doctor` checks."""

from datetime import datetime
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
from webhooks.models import Alert, CheckResult
from webhooks.monitoring.measurements.jobs import has_worker

State = CheckResult.State
#: Results are unreliable after this many intervals of their check.
MAX_INTERVALS = 2
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
    results, alerts = runner.latest(), list(Alert.objects.open())
    rows = [_row(name, check, results.get(name), alerts) for name, check in CHECKS.items()]
    rows.sort(key=lambda row: row.icon != "bad")  # failed checks first, then in catalogue order
    context = {
        "title": _("Diagnostics"),
        "rows": rows,
        "alerts": alerts,
        "failed": sum(row.icon == "bad" for row in rows),
        "unknown": sum(row.result is None for row in rows),
        "outdated": any(row.result and _is_outdated(row.check, row.result) for row in rows),
        "has_worker": has_worker(),
        "oldest": _oldest(results),
        "is_running": jobs.is_run_requested(),
    }
    return context | {"icon": _icon(context)}


def _icon(context: dict[str, Any]) -> str:
    """Return the headline's icon, which is "good" only if recent results prove that everything works."""
    if context["alerts"] or context["failed"]:
        return "bad"
    return "unknown" if context["is_running"] or context["unknown"] or context["outdated"] else "good"


def _row(name: str, check: Check, result: CheckResult | None, alerts: list[Alert]) -> Row:
    if result is None:
        return Row(name, check, result, "unknown")
    # The page shows failures until a later run passes, even if they are old.
    has_passed = result.state == State.PASSED
    is_unreliable = _is_outdated(check, result) or (name == "signals" and _is_contradicted(result, alerts))
    return Row(name, check, result, "unknown" if has_passed and is_unreliable else ICONS[State(result.state)])


def _is_outdated(check: Check, result: CheckResult) -> bool:
    """Return whether a result is so old that it may be wrong now."""
    return timezone.now() - result.checked_at > MAX_INTERVALS * runner.interval_of(check, result)


def _is_contradicted(result: CheckResult, alerts: list[Alert]) -> bool:
    """Return whether an alert's rule has found a problem since the health signals were checked."""
    return any(alert.ok_since is None or alert.ok_since > result.checked_at for alert in alerts)


def _oldest(results: dict[str, CheckResult]) -> datetime | None:
    return min((result.checked_at for result in results.values()), default=None)
