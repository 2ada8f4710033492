"""Admin pages for comparing one or all users with Clerk: the form, the progress report and the repair."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_htmx.http import HttpResponseClientRefresh

from accounts.admin.access import may_repair
from accounts.clerk.fields import ClerkPayloadError, parse_user_id
from accounts.models import Reconciliation
from accounts.sync import requested_runs
from audit.log import Actor
from core.admin.post_only import post_only
from core.forms import LineField

TEMPLATE = "admin/accounts/reconciliation/compare.html"
REPORT = "admin:accounts_reconciliation_change"
NO_KEY = gettext_lazy(
    "Users cannot be compared because CLERK_SECRET_KEY is not set. Set it, and restart all processes."
)


class ComparisonForm(forms.Form):
    """Select the users to compare, and give a reason."""

    scope = forms.ChoiceField(
        choices=[("person", gettext_lazy("One user")), ("all", gettext_lazy("All users"))],
        initial="person",
        widget=forms.RadioSelect,
        label=gettext_lazy("Compare"),
    )
    person = LineField(
        required=False,
        max_length=254,
        label=gettext_lazy("Clerk ID or email"),
        help_text=gettext_lazy("The person does not need an account or an event here."),
        widget=forms.TextInput(attrs={"size": 40, "autocomplete": "off", "spellcheck": "false"}),
    )
    reason = LineField(max_length=500, label=gettext_lazy("Reason"), widget=forms.TextInput(attrs={"size": 40}))
    action = forms.ChoiceField(choices=[(name, name) for name in ("dry_run", "run")])

    def clean_person(self) -> str:
        """Return a Clerk ID or a lower-case email address."""
        text = str(self.cleaned_data["person"])
        if self.cleaned_data.get("scope") == "all":
            return ""
        if "@" in text:
            forms.EmailField().clean(text)
            return text.lower()
        try:
            return parse_user_id(text)
        except ClerkPayloadError:
            raise forms.ValidationError(_("Enter a Clerk ID such as user_2abc, or an email address.")) from None


class ComparisonMixin(admin.ModelAdmin[Reconciliation]):
    """Add the comparison form and buttons. Each view checks permissions."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("compare/", wrap(self.compare), name="accounts_reconciliation_compare"),
            path("<path:object_id>/repair/", wrap(post_only(self.repair)), name="accounts_reconciliation_repair"),
            path("<path:object_id>/progress/", wrap(self.progress), name="accounts_reconciliation_progress"),
            *super().get_urls(),
        ]

    def compare(self, request: HttpRequest) -> HttpResponse:
        if not may_repair(request):
            raise PermissionDenied
        initial = {"person": request.GET.get("person", ""), "scope": request.GET.get("scope", "person")}
        form = ComparisonForm(request.POST if request.method == "POST" else None, initial=initial, label_suffix="")
        if form.is_valid():
            if settings.CLERK_SECRET_KEY:
                return self._start(request, form.cleaned_data)
            form.add_error(None, NO_KEY)
        context = {"title": _("Compare with Clerk"), "opts": self.opts, "form": form}
        return render(request, TEMPLATE, self.admin_site.each_context(request) | context)

    def _start(self, request: HttpRequest, values: dict[str, Any]) -> HttpResponse:
        report = requested_runs.start(
            values["person"],
            dry_run=values["action"] == "dry_run",
            reason=values["reason"],
            actor=Actor.from_request(request),
        )
        return redirect(reverse(REPORT, args=[report.pk]))

    def repair(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Repeat a dry run as a real run, with the same reason."""
        if not may_repair(request):
            raise PermissionDenied
        report = self.get_object(request, object_id)
        if report is None:
            raise Http404
        try:
            report = requested_runs.repeat_for_real(report, actor=Actor.from_request(request))
        except requested_runs.NothingToRunError:
            self.message_user(
                request, _("Only a finished dry run can be repeated. Start a new comparison."), messages.ERROR
            )
        return redirect(reverse(REPORT, args=[report.pk]))

    def progress(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the progress section, which the page polls. Reload the page once the run has ended."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        report = self.get_object(request, object_id)
        if report is None:
            raise Http404
        if report.state != Reconciliation.State.RUNNING:
            return HttpResponseClientRefresh()
        return render(request, "admin/accounts/reconciliation/_progress.html", {"original": report})


def report_context(request: HttpRequest, report: Reconciliation) -> dict[str, Any]:
    is_running = report.state == Reconciliation.State.RUNNING
    return {
        "is_running": is_running,
        "can_be_repeated": may_repair(request) and requested_runs.can_be_repeated(report),
        "repetition": _real_run_of(report),
    }


def _real_run_of(report: Reconciliation) -> Reconciliation | None:
    """Return the real run that repeated this dry run, or None if it failed or was never started."""
    runs = Reconciliation.objects.filter(dry_run_report=report).exclude(state=Reconciliation.State.FAILED)
    return runs.first() if report.dry_run else None
