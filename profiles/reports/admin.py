"""The queue of reports. Admins decide here, and hide pages or ban users on the pages that are linked."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.admin.access import may_repair
from accounts.models import User
from audit.log import Actor
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from profiles.models import Report
from profiles.reports import services as reports
from profiles.reports.forms import DecisionForm
from profiles.reports.services import AlreadyDecidedError

#: Maximum number of earlier reports shown on a report's page.
MAX_EARLIER = 20


class ReportAdmin(ReadOnlyAdmin[Report]):
    change_form_template = "admin/profiles/report/change_form.html"
    list_display = ("reported_at", "target", "about", "reason", "reporter", "state")
    list_display_links = ("reported_at",)
    list_filter = ("state", "reason")
    help_if_empty = _(
        "Reports of pages and messages appear here. To report one, people use the links “Report this page” and “Report message”."
    )
    list_select_related = ("builder__user", "message__sender", "reporter")
    search_fields = ("=builder__slug", "=builder__user__clerk_id", "=message__sender__clerk_id", "=reporter__clerk_id")
    ordering = ("-reported_at",)
    fields = (
        "target",
        "about",
        "reason",
        "text",
        "reporter",
        "reported_at",
        "state",
        "note",
        "decided_by",
        "decided_at",
    )

    @admin.display(description=_("reported"))
    def target(self, report: Report) -> str:
        return gettext("Message") if report.message_id else gettext("Builder page")

    @admin.display(description=_("about"))
    def about(self, report: Report) -> User:
        return reports.reported_user(report)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.decide))
        return [path("<path:object_id>/decide/", view, name="profiles_report_decide"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        report = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if report is not None:
            about = reports.reported_user(report)
            earlier = reports.reports_about(about).exclude(pk=report.pk).order_by("-reported_at")[:MAX_EARLIER]
            context = {"report": report, "about": about, "earlier": earlier, "form": DecisionForm(label_suffix="")}
            context |= {"dismissed": reports.dismissed_reports_by(report.reporter)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close a report. Another admin may have closed it in the meantime."""
        report, form = self.get_object(request, object_id), DecisionForm(request.POST)
        if report is None:
            raise Http404
        if not may_repair(request):
            raise PermissionDenied
        if not form.is_valid():
            messages.error(request, gettext("Enter a reason, and choose a decision."))
        else:
            _decide(request, report, form.cleaned_data)
        return redirect("admin:profiles_report_change", report.pk)


def _decide(request: HttpRequest, report: Report, values: dict[str, Any]) -> None:
    try:
        reports.decide(report, Report.State(values["state"]), values["note"], actor=Actor.from_request(request))
    except AlreadyDecidedError:
        messages.error(request, gettext("Another admin has already decided. Nothing was changed."))
    else:
        messages.success(request, gettext("Decision saved."))
