"""Bulk action on the list of leads: approve waitlist entries after a preview."""

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin.access import may_repair
from accounts.admin.access_page import NO_KEY
from accounts.admin.access_runs import ReasonForm
from accounts.leads.approvals import MAX_LEADS, request_approvals, why_unchanged
from accounts.models import Lead
from audit.log import Actor


class ApprovalActionMixin(admin.ModelAdmin[Lead]):
    """Add the action."""

    def has_repair_permission(self, request: HttpRequest) -> bool:
        return may_repair(request)

    @admin.action(description=gettext_lazy("Approve selected waitlist entries…"), permissions=["repair"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        """Show a preview, then queue the approvals."""
        found = list(queryset.order_by("pk")[: MAX_LEADS + 1])
        if len(found) > MAX_LEADS:
            message = _("Nothing was changed. Select at most %d leads.") % MAX_LEADS
            self.message_user(request, message, messages.ERROR)
            return None
        rows = [(lead, why_unchanged(lead)) for lead in found]
        chosen = [lead.pk for lead, obstacle in rows if not obstacle]
        form = ReasonForm(request.POST if "confirmed" in request.POST else None, label_suffix="")
        if form.is_valid() and chosen:
            if settings.CLERK_SECRET_KEY:
                self._request(request, chosen, form.cleaned_data["reason"])
                return redirect("admin:accounts_lead_changelist")
            form.add_error(None, NO_KEY)
        context = {"title": _("Approve waitlist entries"), "opts": self.opts, "rows": rows, "form": form}
        context |= {"number": len(chosen)}
        return render(request, "admin/accounts/lead/approve.html", self.admin_site.each_context(request) | context)

    def _request(self, request: HttpRequest, lead_ids: list[int], reason: str) -> None:
        number = request_approvals(lead_ids, reason=reason, actor=Actor.from_request(request))
        message = ngettext(
            "%d approval is queued. Reload this list in a moment to see the result.",
            "%d approvals are queued. Approvals are sent one by one. The last may take an hour.",
            number,
        )
        self.message_user(request, message % number, messages.SUCCESS)
