"""The inbox in the Django admin."""

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Actor
from core.admin.keyset import KeysetAdmin
from core.admin.post_only import post_only
from webhooks.admin.events.actions import RepairMixin
from webhooks.admin.events.detail import EventDetail
from webhooks.admin.events.filters import EventFilter
from webhooks.admin.events.list import ORDERS, RECEIVED, EventChangeList, auditable_filters, clerk_ids_by_email
from webhooks.admin.events.news import NewsMixin
from webhooks.inbox import csv_export
from webhooks.models import WebhookEvent


@admin.register(WebhookEvent)
class WebhookEventAdmin(RepairMixin, NewsMixin, EventDetail, KeysetAdmin[WebhookEvent]):
    """Read-only list and pages of events, with export and actions."""

    change_list_template = "admin/webhooks/webhookevent/change_list.html"
    list_display = ("received_at", "event_type", "state", "clerk_user_id", "attempts", "deliveries", "last_error")
    list_filter = (EventFilter,)
    search_fields = ("svix_id",)  # enables the search box; see get_search_results
    search_help_text = _("Exact match of a delivery ID (msg_2abc), a Clerk user ID (user_2abc) or an email address.")
    orderings = ORDERS
    timeout_ms = 2000

    @property
    def media(self) -> Media:
        """Omit Django's scripts, which expect a fixed list of rows. row-selection.js replaces them."""
        return Media()

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return EventChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookEvent], search_term: str
    ) -> tuple[QuerySet[WebhookEvent], bool]:
        """Match the term exactly, so that an index can be used."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(clerk_user_id__in=clerk_ids_by_email(term)), False
        return queryset.filter(Q(svix_id=term) | Q(clerk_user_id=term)), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.export, back="../"))
        return [path("export/", view, name="webhooks_webhookevent_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Stream the filtered events as CSV and record the export in the audit log."""
        if not self.has_view_permission(request):
            return self._rejected(request, gettext("You do not have permission to view events."))
        try:
            changelist = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self._rejected(request, gettext("Nothing was exported, because the filter is invalid."))
        assert isinstance(changelist, EventChangeList)  # noqa: S101
        if changelist.warnings:
            return self._rejected(request, gettext("Nothing was exported.") + " " + " ".join(changelist.warnings))
        actor = Actor.from_request(request)
        filters = auditable_filters(changelist)
        return csv_export.response(changelist.queryset, RECEIVED, actor=actor, filters=filters)

    def _rejected(self, request: HttpRequest, reason: str) -> HttpResponse:
        self.message_user(request, reason, messages.ERROR)
        return redirect("admin:webhooks_webhookevent_changelist")
