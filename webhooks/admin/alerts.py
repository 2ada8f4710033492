"""Admin pages of alerts, with causes, notifications and actions."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.models import Reconciliation, User
from audit.log import Actor
from audit.models import AuditLog, AuditSeal
from core.admin.post_only import post_only
from core.admin.read_only import ReadOnlyAdmin
from core.db.locked_tables import find_locked_tables
from core.forms import ParagraphsField
from webhooks.admin.alert_lists import list_links
from webhooks.admin.channels import ChannelsMixin
from webhooks.admin.maintenance import MaintenanceMixin
from webhooks.admin.rejections import explain
from webhooks.admin.repairs.overview import BY_RUNBOOK
from webhooks.doctor.catalogue import CHECKS
from webhooks.models import Alert, WebhookEvent
from webhooks.monitoring import runbooks
from webhooks.monitoring.actions import AlertAction, apply_action
from webhooks.monitoring.error_groups import ranking as error_groups

SNOOZE_HOURS = (1, 4, 24)
#: The models of facts that contain the primary key of a row.
FACT_MODELS: dict[str, type[Model]] = {"reconciliation": Reconciliation, "row": AuditLog, "seal": AuditSeal}


class AlertActionForm(forms.Form):
    action = forms.ChoiceField(choices=[(action, action) for action in AlertAction])
    hours = forms.TypedChoiceField(choices=[(hours, hours) for hours in SNOOZE_HOURS], coerce=int, required=False)
    note = ParagraphsField(required=False, max_length=2000, label=_("Note"), widget=forms.Textarea(attrs={"rows": 2}))


class ResolvedFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "resolved_at__isempty"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, StrOrPromise]]:
        return [("1", _("Open")), ("0", _("Resolved"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        value = self.value()
        return queryset.filter(resolved_at__isnull=value == "1") if value in ("0", "1") else queryset


@admin.register(Alert)
class AlertAdmin(ChannelsMixin, MaintenanceMixin, ReadOnlyAdmin[Alert]):
    change_form_template = "admin/webhooks/alert/change_form.html"
    change_list_template = "admin/webhooks/alert/change_list.html"
    list_display = ("name", "severity", "state", "summary", "opened_at", "resolved_at")
    list_filter = (ResolvedFilter, "severity", "rule")
    ordering = ("-opened_at",)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("runbooks/", wrap(self.runbooks), name="webhooks_runbooks"),
            path("runbooks/<slug:runbook>/", wrap(self.runbook), name="webhooks_runbook"),
            path("<path:object_id>/action/", wrap(post_only(self.action)), name="webhooks_alert_action"),
            *super().get_urls(),
        ]

    @admin.display(description=_("state"))
    def state(self, alert: Alert) -> str:
        return format_html('<span class="is-{}">{}</span>', alert.tone, capfirst(str(alert.state)))

    @admin.display(description=_("alert"), ordering="rule")
    def name(self, alert: Alert) -> str:
        return str(alert)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        alert = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if alert is not None:
            events = WebhookEvent.objects.filter(pk__in=alert.facts.get("events", [])).defer("payload")
            context = {"title": str(alert), "subtitle": None, "alert": alert}
            context["groups"] = error_groups.groups_of(alert)
            context["program_errors"] = error_groups.program_errors(context["groups"])
            context["list_links"] = list(list_links(alert))
            context["waits_for_delivery"] = _waits_for_delivery(alert)
            context["causes"] = explain(alert.facts.get("causes", {}))
            context["locked"] = find_locked_tables() if alert.is_open and alert.rule == Alert.Rule.UNAVAILABLE else []
            context["people"] = _affected_people(events)
            context |= {"events": events, "details": _details(alert), "notifications": alert.notifications.all()}
            context |= {"form": AlertActionForm(), "hours": SNOOZE_HOURS, "runbook": runbooks.exists(alert.rule)}
            context["repairs"] = BY_RUNBOOK.get(alert.rule, ())
        return super().change_view(request, object_id, form_url, (extra_context or {}) | context)

    def action(self, request: HttpRequest, object_id: str) -> HttpResponse:
        alert, form = self.get_object(request, object_id), AlertActionForm(request.POST)
        if alert is None:
            raise Http404
        if not form.is_valid():
            self.message_user(request, _("Choose an action and keep the note under 2,000 characters."), messages.ERROR)
        elif self._apply(request, alert, form.cleaned_data):
            self.message_user(request, _("Alert updated. The action was added to the audit log."), messages.SUCCESS)
        else:
            self.message_user(request, _("The alert is already resolved. Nothing was changed."), messages.WARNING)
        return redirect(reverse("admin:webhooks_alert_change", args=[alert.pk]))

    @staticmethod
    def _apply(request: HttpRequest, alert: Alert, chosen: dict[str, Any]) -> bool:
        snooze_for = timedelta(hours=chosen["hours"] or SNOOZE_HOURS[0])
        actor = Actor.from_request(request)
        return apply_action(
            alert.pk, AlertAction(chosen["action"]), note=chosen["note"], snooze_for=snooze_for, actor=actor
        )

    def runbooks(self, request: HttpRequest) -> HttpResponse:
        context = {"title": _("Runbooks"), "runbooks": runbooks.list_runbooks()}
        return render(request, "admin/webhooks/runbooks.html", self.admin_site.each_context(request) | context)

    def runbook(self, request: HttpRequest, runbook: str) -> HttpResponse:
        context = self.admin_site.each_context(request) | {"repairs": BY_RUNBOOK.get(runbook, ())}
        return runbooks.render_page(request, runbook, context)


def _waits_for_delivery(alert: Alert) -> bool:
    """Return whether only a delivery from Clerk shows that the problem is over."""
    is_rejecting = alert.rule in (Alert.Rule.CLOCK, Alert.Rule.REJECTED, Alert.Rule.UNAVAILABLE)
    return alert.is_open and not alert.ok_since and is_rejecting and "causes" in alert.facts


class AffectedPerson(NamedTuple):
    """A user affected by the problem. `account_url` is empty if the user has no local account."""

    clerk_id: str
    name: str
    account_url: str


def _affected_people(events: Iterable[WebhookEvent]) -> list[AffectedPerson]:
    """Return the distinct users in the order of the events. Names are shown only to admins, never in notifications."""
    ids = list(dict.fromkeys(event.clerk_user_id for event in events if event.clerk_user_id))
    users = {user.clerk_id: user for user in User.objects.filter(clerk_id__in=ids)}
    return [
        AffectedPerson(
            clerk_id,
            users[clerk_id].display_name if clerk_id in users else clerk_id,
            reverse("admin:accounts_user_change", args=[users[clerk_id].pk]) if clerk_id in users else "",
        )
        for clerk_id in ids
    ]


def _details(alert: Alert) -> list[tuple[str, Any, str]]:
    """Return the labels, values and links of all facts that have no section of their own."""
    return [
        _with_link(name, _with_time(value))
        for name, value in alert.facts.items()
        if name not in ("causes", "events", "groups") and value is not None
    ]


def _with_time(value: Any) -> Any:
    """Return a fact's value. Times are stored as text, because facts are JSON."""
    time = parse_datetime(value) if isinstance(value, str) else None
    return date_format(time, "SHORT_DATETIME_FORMAT") if time else value


def _labels(names: str) -> str:
    """Return the labels of diagnostic checks, separated by commas. Checks of an earlier version keep their name."""
    return ", ".join(str(CHECKS[name].label) if name in CHECKS else name for name in names.split(", "))


def _with_link(name: str, value: Any) -> tuple[str, Any, str]:
    """Return a fact's label, value and link. Facts that identify a row have a link to the row's page."""
    if name not in FACT_MODELS:
        return name.replace("_", " "), _labels(value) if name == "checks" else value, ""
    model = FACT_MODELS[name]
    row = model._default_manager.filter(pk=value).first()
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[value]) if row else ""
    return str(model._meta.verbose_name), row or value, url
