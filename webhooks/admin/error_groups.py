"""Error groups in the admin: the list, the page of a group, and state changes."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from audit.log import Actor
from core.admin.keyset import KeysetAdmin
from core.admin.post_only import post_only
from core.db.keyset import Ordering
from webhooks.admin import links
from webhooks.admin.events.actions import can_repair
from webhooks.admin.events.filters import UNSETTLED
from webhooks.admin.events.list import RECEIVED
from webhooks.admin.lists.admin import FormChangeList
from webhooks.admin.lists.filters import FilterForm, FormFilter, StatesField, WithinField
from webhooks.admin.pages import operators_page
from webhooks.jobs.states import FAILING
from webhooks.models import ErrorGroup
from webhooks.monitoring.error_groups import actions as group_actions
from webhooks.monitoring.error_groups import details as group_details
from webhooks.monitoring.error_groups.actions import ChangedMeanwhile

LAST_SEEN = Ordering(F("last_at"), RECEIVED.value_type)


class GroupFilterForm(FilterForm):
    state = StatesField(choices=ErrorGroup.State.choices, label=gettext_lazy("State"))
    within = WithinField(label=gettext_lazy("Last seen"))

    def apply(self, rows: QuerySet[ErrorGroup]) -> QuerySet[ErrorGroup]:
        self.full_clean()
        conditions = {
            "state__in": sorted(self.cleaned_data.get("state", ())),
            "last_at__gte": self.since("within", ""),
        }
        return rows.filter(**{name: value for name, value in conditions.items() if value})


class GroupFilter(FormFilter):
    title = cast(str, gettext_lazy("error groups"))
    form_class = GroupFilterForm


class GroupChangeList(FormChangeList):
    """Adds the number of recent failures to each group."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        counts = group_details.recent_counts([group.pk for group in self.result_list], timezone.now())
        for group in self.result_list:
            group.recent = counts[group.pk]
            group.has_more_recent = group.recent > group_details.MAX_LISTED_COUNT


class StateForm(forms.Form):
    """The new state, and the version of the group shown to the admin."""

    state = forms.ChoiceField(choices=[(state, state.label) for state in group_actions.SETTABLE])
    version = forms.CharField(max_length=100)


@admin.register(ErrorGroup)
class ErrorGroupAdmin(KeysetAdmin[ErrorGroup]):
    change_list_template = "admin/webhooks/errorgroup/change_list.html"
    list_display = ("error_type", "place", "state", "last_at")
    list_filter = (GroupFilter,)
    search_fields = ("error_type",)  # enables the search box; see get_search_results
    search_help_text = gettext_lazy("Part of an error’s name, place or field, for example KeyError.")
    orderings = {"last_seen": LAST_SEEN}  # Django's ModelAdmin defines its options as mutable class attributes.
    timeout_ms = 2000

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return GroupChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ErrorGroup], search_term: str
    ) -> tuple[QuerySet[ErrorGroup], bool]:
        term = search_term.strip()
        matches = Q(error_type__icontains=term) | Q(place__icontains=term) | Q(detail__icontains=term)
        return (queryset.filter(matches) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        view = operators_page(post_only(self.act))
        return [path("<path:object_id>/action/", view, name="webhooks_errorgroup_action"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the group's page instead of Django's form. Django handles other methods and missing permissions."""
        group = self.get_object(request, object_id)
        if group is None or request.method not in ("GET", "HEAD") or not self.has_view_permission(request, group):
            return super().change_view(request, object_id, form_url, extra_context)
        context = {**self.admin_site.each_context(request), "opts": self.opts, **_page_context(request, group)}
        return TemplateResponse(request, "admin/webhooks/errorgroup/detail.html", context)

    def act(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not can_repair(request):
            raise PermissionDenied
        group, form = self.get_object(request, object_id), StateForm(request.POST)
        if group is None:
            raise Http404
        if form.is_valid():
            self._change(request, group, **form.cleaned_data)
        else:
            self.message_user(request, _("Nothing was changed. Choose a state."), messages.ERROR)
        return redirect(reverse("admin:webhooks_errorgroup_change", args=[group.pk]))

    def _change(self, request: HttpRequest, group: ErrorGroup, state: str, version: str) -> None:
        try:
            group_actions.change_state(group.pk, ErrorGroup.State(state), Actor.from_request(request), seen=version)
        except ChangedMeanwhile as error:
            self.message_user(request, _("Nothing was changed. %s") % _describe_change(error.group), messages.WARNING)
        else:
            text = _("The state is now “%s”. The change was added to the audit log.")
            self.message_user(request, text % ErrorGroup.State(state).label, messages.SUCCESS)


def _describe_change(group: ErrorGroup) -> str:
    at = date_format(group.changed_at, "H:i:s") if group.changed_at else ""
    values = {"state": group.get_state_display(), "at": at, "admin": group.changed_by}
    if group.changed_by:
        return _("%(admin)s changed the state to “%(state)s” at %(at)s UTC, after you opened this page.") % values
    return _("The error came back at %(at)s UTC, after you opened this page.") % values


def _page_context(request: HttpRequest, group: ErrorGroup) -> dict[str, Any]:
    affected, failures = group_details.affected(group), group_details.count(group)
    newest = group_details.last_failure(group)
    may_view_people = admin.site.get_model_admin(User).has_view_permission(request)
    return {
        "title": str(group),
        "group": group,
        "version": group_actions.version(group),
        "cause": newest,
        "last_seen": group_details.last_seen(group, newest),
        "chart": group_details.chart(group, timezone.now()),
        "affected": affected,
        "people": affected.people[: group_details.MAX_SHOWN] if may_view_people else [],
        "may_view_people": may_view_people,
        "failures": min(failures, group_details.MAX_COUNTED),
        "is_more": failures > group_details.MAX_COUNTED,
        "can_repair": can_repair(request),
        "events_query": urlencode([("error_group", group.pk), ("state", UNSETTLED)]),
        "jobs_url": links.jobs_url(error_group=str(group.pk)),
        "jobs_query": urlencode([("error_group", group.pk), *(("state", state) for state in FAILING)]),
        "sentry_url": sentry_url(group),
    }


def sentry_url(group: ErrorGroup) -> str:
    """Return the URL of the group's reports in Sentry, or "" if SENTRY_ISSUES_URL is not set."""
    base = settings.SENTRY_ISSUES_URL
    if not base:
        return ""
    return f"{base}{'&' if '?' in base else '?'}{urlencode({'query': f'error_group:{group.key}'})}"
