"""The page with maintenance windows: schedule one, and end or cancel one."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.log import Actor
from core.admin.post_only import post_only
from core.forms import LineField
from webhooks.admin.events.actions import can_repair
from webhooks.admin.lists.filters import UTCDateTimeField
from webhooks.models import Alert, MaintenanceWindow
from webhooks.monitoring import maintenance

#: A forgotten window must not hide problems for long.
MAX_LENGTH = timedelta(days=7)
#: Number of windows on the page.
MAX_LISTED = 20
PAGE = "admin:webhooks_maintenance"


class MaintenanceForm(forms.Form):
    """A window. Times are UTC. If the start is empty, the window starts now."""

    starts_at = UTCDateTimeField(required=False, label=gettext_lazy("Start (UTC), empty for now"))
    ends_at = UTCDateTimeField(label=gettext_lazy("End (UTC)"))
    reason = LineField(max_length=200, label=gettext_lazy("Reason"), widget=forms.TextInput(attrs={"size": 40}))

    def clean(self) -> dict[str, Any]:
        now, values = timezone.now(), self.cleaned_data
        starts_at, ends_at = values.get("starts_at") or now, values.get("ends_at")
        values["starts_at"] = starts_at
        if ends_at and ends_at <= max(starts_at, now):
            self.add_error("ends_at", _("The end must be after the start and in the future."))
        elif ends_at and ends_at - starts_at > MAX_LENGTH:
            self.add_error("ends_at", _("A window can be at most %d days long.") % MAX_LENGTH.days)
        return values


class MaintenanceMixin(admin.ModelAdmin[Alert]):
    """Adds the page of maintenance windows. Every request checks the permission again."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        end = wrap(post_only(self.end_maintenance, back="../../"))
        return [
            path("maintenance/", wrap(self.maintenance), name="webhooks_maintenance"),
            path("maintenance/<int:pk>/end/", end, name="webhooks_maintenance_end"),
            *super().get_urls(),
        ]

    def maintenance(self, request: HttpRequest) -> HttpResponse:
        if not can_repair(request):
            raise PermissionDenied
        form = MaintenanceForm(request.POST if request.method == "POST" else None, label_suffix="")
        if form.is_valid():
            values = form.cleaned_data
            maintenance.schedule(values["starts_at"], values["ends_at"], values["reason"], Actor.from_request(request))
            self.message_user(request, _("Maintenance window scheduled."), messages.SUCCESS)
            return redirect(PAGE)
        now = timezone.now()
        windows = MaintenanceWindow.objects.select_related("created_by")[:MAX_LISTED]
        open_ids = set(MaintenanceWindow.objects.not_over(now).values_list("pk", flat=True))
        listed = [(window, window.pk in open_ids, window.starts_at <= now) for window in windows]
        context = {"title": _("Maintenance windows"), "form": form, "windows": listed}
        return render(request, "admin/webhooks/maintenance.html", self.admin_site.each_context(request) | context)

    def end_maintenance(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not can_repair(request):
            raise PermissionDenied
        if pk >= 2**63:
            raise Http404
        if maintenance.end(pk, Actor.from_request(request)):
            self.message_user(request, _("The maintenance window has ended."), messages.SUCCESS)
        else:
            self.message_user(request, _("The maintenance window was already over."), messages.WARNING)
        return redirect(PAGE)
