"""Django admin pages for reconciliation reports, with the current match rate and its trend."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Reconciliation
from core.admin.read_only import ReadOnlyAdmin

#: Number of runs in the trend chart, and the chart's size.
TREND_RUNS, CHART_WIDTH, CHART_HEIGHT = 60, 480, 72


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin[Reconciliation]):
    change_list_template = "admin/accounts/reconciliation/change_list.html"
    list_display = (
        "started_at",
        "kind",
        "state",
        "agreement",
        "compared",
        "differed",
        "repaired",
        "pushed",
        "unrepaired",
    )
    list_filter = ("kind", "state", "dry_run")
    fields = (
        *("kind", "dry_run", "state", "started_at", "duration", "error", "agreement", "compared", "clerk_total"),
        *("missing", "stale", "deleted", "unpushed", "unreadable", "skipped_deletions", "longest_drift", "by_field"),
        *("repaired", "pushed", "unrepaired", "first_examples"),
    )
    readonly_fields = ("agreement", "by_field", "first_examples", "duration")

    @admin.display(description=gettext_lazy("match rate"))
    def agreement(self, run: Reconciliation) -> str:
        return "–" if run.match_rate is None else f"{run.match_rate:.2f} %"

    @admin.display(description=gettext_lazy("differences by field"))
    def by_field(self, run: Reconciliation) -> str:
        ordered = sorted(run.fields.items(), key=lambda item: -item[1])
        return ", ".join(f"{field}: {count}" for field, count in ordered) or "–"

    @admin.display(description=gettext_lazy("examples"))
    def first_examples(self, run: Reconciliation) -> SafeString | str:
        lines = [
            (e["clerk_id"], e["kind"], ", ".join(e["fields"]), e.get("reason") or e.get("since") or "")
            for e in run.examples
        ]
        items = format_html_join("", "<li>{}: {} {} <span>{}</span></li>", lines)
        return format_html("<ul>{}</ul>", items) if lines else "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        context = {"title": str(run), "subtitle": _summary(run)} if run else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        runs = list(Reconciliation.objects.repairing().filter(state=Reconciliation.State.FINISHED)[:TREND_RUNS])
        measured = [run for run in runs if run.match_rate is not None]
        context = {"latest": measured[0] if measured else None, "runs": measured[::-1], "bars": _bars(measured[::-1])}
        return super().changelist_view(request, (extra_context or {}) | context)


def _summary(run: Reconciliation) -> str:
    if run.state == Reconciliation.State.FAILED:
        return _("Failed: %s") % run.error
    if run.state == Reconciliation.State.RUNNING:
        return _("Running or interrupted. Reload this page in a moment.")
    if not run.differed:
        return _("No differences found.")
    message = ngettext("%(count)d user differed: %(fields)s.", "%(count)d users differed: %(fields)s.", run.differed)
    fields = ", ".join(sorted(run.fields)) or _("existence")
    return f"{message % {'count': run.differed, 'fields': fields}} {_remaining_differences(run)}"


def _remaining_differences(run: Reconciliation) -> str:
    if run.dry_run:
        return _("Nothing was changed.")
    if not run.still_differ:
        return _("All differences were repaired.")
    message = ngettext(
        "%(count)d user still differs. See the examples for the reasons.",
        "%(count)d users still differ. See the examples for the reasons.",
        run.still_differ,
    )
    return message % {"count": run.still_differ}


def _bars(runs: list[Reconciliation]) -> list[dict[str, Any]]:
    """Return one bar per run, oldest first. Heights show the share of differing users, relative to the worst run."""
    worst = max((100 - (run.match_rate or 0) for run in runs), default=0) or 1
    width = CHART_WIDTH / TREND_RUNS
    bars = []
    for number, run in enumerate(runs):
        share = 100 - (run.match_rate or 0)
        height = max(share / worst * (CHART_HEIGHT - 4), 1)
        bars.append(
            {"x": f"{number * width:.1f}", "y": f"{CHART_HEIGHT - height:.1f}", "width": f"{width - 2:.1f}", "run": run}
            | {"height": f"{height:.1f}", "is_bad": bool(share), "share": share}
        )
    return bars
