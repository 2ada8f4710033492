"""Django admin pages for imports of accounts from before Clerk. `manage.py import_users` starts and continues them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from accounts.models import ImportedAccount, UserImport
from core import csv_export
from core.admin.read_only import ReadOnlyAdmin
from core.admin.state_cells import state_cell

#: Refused lines on the page. The download contains all of them.
MAX_LINES = 100


class FinishedFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "finished"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [("yes", _("Finished")), ("no", _("Not finished"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset.filter(finished_at__isnull=value == "no") if value in ("yes", "no") else queryset


@admin.register(UserImport)
class UserImportAdmin(ReadOnlyAdmin[UserImport]):
    """Imports, with the reason of each refused line."""

    list_display = ("started_at", "status", "file", "created", "refused", "finished_at")
    list_filter = (FinishedFilter,)
    help_if_empty = gettext_lazy(
        "Imports of accounts from before Clerk appear here. To start one, run manage.py import_users with a CSV or JSON "
        "Lines file. Add --dry-run to check the file first."
    )
    search_fields = ("^file", "^digest")

    @admin.display(description=gettext_lazy("state"), ordering="finished_at")
    def status(self, run: UserImport) -> SafeString:
        if run.finished_at is None:
            return state_cell("attention", _("Not finished"))
        return state_cell("good", _("Finished"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.refused_lines)
        return [path("<path:object_id>/refused/", view, name="accounts_userimport_refused"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the import instead of Django's form. Django handles other methods and missing permissions."""
        run = self.get_object(request, object_id)
        if run is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, run):
            return super().change_view(request, object_id, form_url, extra_context)
        lines = list(run.refused_lines.order_by("line")[: MAX_LINES + 1])
        context = {"title": str(run), "opts": self.opts, "run": run, "figures": _figures(run)}
        context |= {"lines": lines[:MAX_LINES], "has_more": len(lines) > MAX_LINES, "max_lines": MAX_LINES}
        context = self.admin_site.each_context(request) | context
        return TemplateResponse(request, "admin/accounts/userimport/detail.html", context)

    def refused_lines(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Download the refused lines as CSV, in the format of the command's report."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        rows = run.refused_lines.order_by("line").values_list("line", "reason").iterator()
        lines = csv_export.csv_lines(("line", "reason"), rows)
        return csv_export.file_response(lines, csv_export.CSV_CONTENT_TYPE, name=f"refused-{run.pk}", extension="csv")


def _figures(run: UserImport) -> list[tuple[str, int, str]]:
    """Return the label, the number and the note of each figure."""
    found = ImportedAccount.objects.filter(run=run).aggregate(
        signed_up=Count("pk", filter=Q(user__clerk_id__isnull=False)),
        invited=Count("pk", filter=Q(invited_at__isnull=False)),
        rejected=Count("pk", filter=~Q(invitation_error="")),
    )
    rejected = _("Rejected by Clerk: %d") % found["rejected"] if found["rejected"] else ""
    return [
        (_("Accounts created"), run.created, ""),
        (_("Lines refused"), run.refused, ""),
        (_("Signed up"), found["signed_up"], ""),
        (_("Invitations sent"), found["invited"], rejected),
    ]
