"""Django admin pages for reconciliation reports, with the current match rate and its trend."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import tasks
from accounts.admin import report_page
from accounts.admin.comparisons import ComparisonMixin, report_context
from accounts.models import Reconciliation, User
from accounts.sessions.verification import restored_fields
from accounts.sync import unlisted
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell
from core.admin.verification import ask_to_verify

#: Number of runs in the trend chart, and the chart's size.
TREND_RUNS, CHART_WIDTH, CHART_HEIGHT = 60, 480, 72
#: Users listed on the page of a report that has skipped deletions.
MAX_USERS = 200
#: Severity by state. Other states are neutral.
LEVELS: dict[str, str] = {Reconciliation.State.FINISHED: "good", Reconciliation.State.FAILED: "bad"}


class ApprovalForm(forms.Form):
    count = forms.IntegerField(
        min_value=1,
        label=gettext_lazy("Number of deletions"),
        help_text=gettext_lazy("Enter the number of deletions to confirm."),
    )
    reason = forms.CharField(
        max_length=2000, label=gettext_lazy("Reason"), widget=forms.Textarea(attrs={"rows": 2, "cols": 40})
    )


@admin.register(Reconciliation)
class ReconciliationAdmin(ComparisonMixin, ReadOnlyAdmin[Reconciliation]):
    change_list_template = "admin/accounts/reconciliation/change_list.html"
    list_display = (
        "started_at",
        "status",
        "kind",
        "agreement",
        "compared",
        "differed",
        "repaired",
        "pushed",
        "unrepaired",
    )
    list_filter = ("kind", "state", "dry_run")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.approve))
        return [path("<path:object_id>/approve/", view, name="accounts_reconciliation_approve"), *super().get_urls()]

    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve the skipped deletions of a report, and queue them."""
        run, form = self.get_object(request, object_id), ApprovalForm(request.POST)
        if run is None:
            raise Http404
        page = reverse("admin:accounts_reconciliation_change", args=[run.pk])
        if form.is_valid():
            if response := ask_to_verify(request, page):
                return response
            self._approve(request, run, form)
        else:
            message = _("Nothing was approved. Enter the number of deletions and a reason of at most 2,000 characters.")
            self.message_user(request, message, messages.ERROR)
        return redirect(page)

    def _approve(self, request: HttpRequest, run: Reconciliation, form: ApprovalForm) -> None:
        try:
            with transaction.atomic():
                unlisted.approve(run, **form.cleaned_data, actor=Actor.from_request(request))
                tasks.delete_approved.defer(run_id=run.pk)
        except unlisted.ApprovalError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            message = _("Approved and recorded in the audit log. Reload this page in a moment to see the deletions.")
            self.message_user(request, message, messages.SUCCESS)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def status(self, run: Reconciliation) -> SafeString:
        level = "bad" if run.still_differ else LEVELS.get(run.state, "neutral")
        return state_cell(level, run.get_state_display(), "" if level in ("good", "bad") else "unknown")

    @admin.display(description=gettext_lazy("match rate"))
    def agreement(self, run: Reconciliation) -> str:
        return "–" if run.match_rate is None else f"{run.match_rate:.2f}%"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the report instead of Django's form. Django handles other methods and missing permissions."""
        run = self.get_object(request, object_id)
        if run is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, run):
            return super().change_view(request, object_id, form_url, extra_context)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": run,
            **report_page.build_context(run),
            **_approval_context(run, restored_fields(request)),
            **report_context(request, run),
        }
        return TemplateResponse(request, "admin/accounts/reconciliation/detail.html", context)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        runs = list(Reconciliation.objects.repairing().filter(state=Reconciliation.State.FINISHED)[:TREND_RUNS])
        measured = [run for run in runs if run.match_rate is not None]
        context = {"latest": measured[0] if measured else None, "runs": measured[::-1], "bars": _bars(measured[::-1])}
        return super().changelist_view(request, (extra_context or {}) | context)


def _approval_context(run: Reconciliation, initial: dict[str, Any]) -> dict[str, Any]:
    ids = run.unlisted_ids[:MAX_USERS] if run.skipped_deletions else []
    return {
        "skipped": list(User.objects.filter(clerk_id__in=ids).order_by("name", "pk")),
        "more": max(run.skipped_deletions - MAX_USERS, 0),
        "can_be_approved": unlisted.can_be_approved(run),
        "form": ApprovalForm(initial=initial),
    }


def _bars(runs: list[Reconciliation]) -> list[dict[str, Any]]:
    """Return one bar per run, oldest first. Heights show the percentage of differing users, relative to the worst run."""
    worst = max((100 - (run.match_rate or 0) for run in runs), default=0) or 1
    width = CHART_WIDTH / TREND_RUNS
    bars = []
    for number, run in enumerate(runs):
        percent = 100 - (run.match_rate or 0)
        height = max(percent / worst * (CHART_HEIGHT - 4), 1)
        bars.append(
            {"x": f"{number * width:.1f}", "y": f"{CHART_HEIGHT - height:.1f}", "width": f"{width - 2:.1f}", "run": run}
            | {"height": f"{height:.1f}", "is_bad": bool(percent), "percent": percent}
        )
    return bars
