"""The reports of comparing people with Clerk in the Django admin, with how healthy things are and were."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Reconciliation
from core.admin.read_only import ReadOnlyAdmin

#: Runs in the picture of the trend, and its size.
TREND, WIDTH, HEIGHT = 60, 480, 72


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """What each run found and did."""

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

    @admin.display(description=gettext_lazy("the same here and at Clerk"))
    def agreement(self, run: Reconciliation) -> str:
        """Return the health as a percentage."""
        return "–" if run.match_rate is None else f"{run.match_rate:.2f} %"

    @admin.display(description=gettext_lazy("differences by field"))
    def by_field(self, run: Reconciliation) -> str:
        """Return how often each field differed, most often first."""
        ordered = sorted(run.fields.items(), key=lambda item: -item[1])
        return ", ".join(f"{field}: {count}" for field, count in ordered) or "–"

    @admin.display(description=gettext_lazy("examples"))
    def first_examples(self, run: Reconciliation) -> SafeString | str:
        """Return who differed and in what, as a list."""
        lines = [
            (e["clerk_id"], e["kind"], ", ".join(e["fields"]), e.get("reason") or e.get("since") or "")
            for e in run.examples
        ]
        items = format_html_join("", "<li>{}: {} {} <span>{}</span></li>", lines)
        return format_html("<ul>{}</ul>", items) if lines else "–"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say in a sentence what came of it, before all the figures."""
        run = self.get_object(request, object_id)
        context = {"title": str(run), "subtitle": _in_a_sentence(run)} if run else {}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Put the latest figure and the trend above the list."""
        runs = list(Reconciliation.objects.repairing().filter(state=Reconciliation.State.FINISHED)[:TREND])
        measured = [run for run in runs if run.match_rate is not None]
        context = {"latest": measured[0] if measured else None, "runs": measured[::-1], "bars": _bars(measured[::-1])}
        return super().changelist_view(request, (extra_context or {}) | context)


def _in_a_sentence(run: Reconciliation) -> str:
    """Return what came of a run."""
    if run.state == Reconciliation.State.FAILED:
        return _("It failed: %s") % run.error
    if run.state == Reconciliation.State.RUNNING:
        return _("It is under way, or its worker was killed. Reload this page in a moment.")
    if not run.differed:
        return _("Nothing differed from Clerk.")
    told = ngettext("One person differed, in: %(fields)s.", "%(count)d people differed, in: %(fields)s.", run.differed)
    fields = ", ".join(sorted(run.fields)) or _("whether somebody is there")
    return f"{told % {'count': run.differed, 'fields': fields}} {_what_is_left(run)}"


def _what_is_left(run: Reconciliation) -> str:
    """Return whether the people who differed are the same now."""
    if run.dry_run:
        return _("Nothing was changed.")
    if not run.still_differ:
        return _("All is the same now.")
    told = ngettext(
        "One still does; the examples say why.", "%(left)d still do; the examples say why.", run.still_differ
    )
    return told % {"left": run.still_differ}


def _bars(runs: list[Reconciliation]) -> list[dict[str, Any]]:
    """Return a bar for each run, oldest first: the higher, the more people differed, on the scale of the worst."""
    worst = max((100 - (run.match_rate or 0) for run in runs), default=0) or 1
    width = WIDTH / TREND
    bars = []
    for number, run in enumerate(runs):
        share = 100 - (run.match_rate or 0)
        height = max(share / worst * (HEIGHT - 4), 1)
        bars.append(
            {"x": f"{number * width:.1f}", "y": f"{HEIGHT - height:.1f}", "width": f"{width - 2:.1f}", "run": run}
            | {"height": f"{height:.1f}", "is_bad": bool(share), "share": share}
        )
    return bars
