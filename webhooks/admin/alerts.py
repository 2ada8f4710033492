"""Alerts in the Django admin: what is wrong, what caused it, who was told, and who takes care of it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from audit.log import Origin
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from webhooks.models import Alert, WebhookEvent
from webhooks.monitoring import actions as care
from webhooks.monitoring import runbooks

HOURS = (1, 4, 24)


class CareForm(forms.Form):
    """What somebody does about an alert, and why."""

    deed = forms.ChoiceField(choices=[(deed, deed) for deed in care.Deed])
    hours = forms.TypedChoiceField(choices=[(hours, hours) for hours in HOURS], coerce=int, required=False)
    note = forms.CharField(
        required=False, max_length=2000, label=_("Why, or what was done"), widget=forms.Textarea(attrs={"rows": 2})
    )


class OpenFilter(admin.SimpleListFilter):
    """Whether it is over."""

    title = _("state")
    parameter_name = "resolved_at__isempty"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return both."""
        return [("1", _("Not over")), ("0", _("Over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        """Return those that were asked for."""
        value = self.value()
        return queryset.filter(resolved_at__isnull=value == "1") if value in ("0", "1") else queryset


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Troubles, the open ones first."""

    change_form_template = "admin/webhooks/alert/change_form.html"
    change_list_template = "admin/webhooks/alert/change_list.html"
    list_display = ("rule", "state", "summary", "opened_at", "resolved_at")
    list_filter = (OpenFilter, "rule")
    ordering = ("-opened_at",)

    def get_urls(self) -> list[URLPattern]:
        """Add where deeds are posted to, and the runbooks."""
        wrap = self.admin_site.admin_view
        return [
            path("runbooks/", wrap(self.runbooks), name="webhooks_runbooks"),
            path("runbooks/<slug:runbook>/", wrap(self.runbook), name="webhooks_runbook"),
            path("<path:object_id>/care/", wrap(post_only(self.care)), name="webhooks_alert_care"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what caused it, who was told, and what can be done."""
        alert = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if alert is not None:
            events = WebhookEvent.objects.filter(pk__in=alert.facts.get("events", [])).defer("payload")
            context = {"title": str(alert), "subtitle": None, "alert": alert}
            context |= {"events": events, "figures": _figures(alert), "notices": alert.notices.all()}
            context |= {"form": CareForm(), "hours": HOURS, "runbook": runbooks.exists(alert.rule)}
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def care(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Acknowledge, snooze or resolve an alert."""
        alert, form = self.get_object(request, object_id), CareForm(request.POST)
        if alert is None:
            raise Http404
        if not form.is_valid():
            self.message_user(request, _("Choose what to do, and say why in at most 2000 characters."), messages.ERROR)
        elif self._care(request, alert, form.cleaned_data):
            self.message_user(request, _("Done, and in the audit log."), messages.SUCCESS)
        else:
            self.message_user(request, _("The alert was resolved meanwhile."), messages.WARNING)
        return redirect(reverse("admin:webhooks_alert_change", args=[alert.pk]))

    @staticmethod
    def _care(request: HttpRequest, alert: Alert, chosen: dict[str, Any]) -> bool:
        length = timedelta(hours=chosen["hours"] or HOURS[0])
        who: dict[str, Any] = {"actor": request.user, "origin": Origin.of_request(request)}
        return care.take(alert.pk, care.Deed(chosen["deed"]), note=chosen["note"], length=length, **who)

    def runbooks(self, request: HttpRequest) -> HttpResponse:
        """Show what there are runbooks for."""
        context = {**self.admin_site.each_context(request), "title": _("Runbooks"), "runbooks": runbooks.every()}
        return render(request, "admin/webhooks/runbooks.html", context)

    def runbook(self, request: HttpRequest, runbook: str) -> HttpResponse:
        """Show what to do about one kind of trouble."""
        return runbooks.page(request, runbook, self.admin_site.each_context(request))


def _figures(alert: Alert) -> list[tuple[str, Any]]:
    """Return what caused an alert besides events, for people to read."""
    found = []
    for name, value in alert.facts.items():
        if name != "events" and value is not None:
            told = ", ".join(f"{part} {count}" for part, count in value.items()) if isinstance(value, dict) else value
            found.append((name.replace("_", " "), told))
    return found
