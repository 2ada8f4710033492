"""The audit log in the Django admin."""

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import exports
from audit.admin import filters
from audit.log import Origin
from audit.models import AuditLog, AuditSeal
from audit.sealing import seals
from core import redaction
from core.admin.keyset import KeysetAdmin, KeysetChangeList
from core.admin.post_only import post_only

ERASED = _("erased")
#: What the address may filter by: each has an index or few values.
FILTERS = frozenset(
    {"action__exact", "source__exact", "target", "actor", "subject", "delivery", "within", "since", "until", "kind"}
)
#: Those of them that find exactly what was typed, whatever that is.
TYPED = ("q", "target", "delivery")


class AuditChangeList(KeysetChangeList):
    """The list, whose heading says what it is narrowed to."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        first: AuditLog | None = next(iter(self.result_list), None)
        self.title = _heading(request, first)


@admin.register(AuditLog)
class AuditLogAdmin(KeysetAdmin):
    """What happened, to whom, and by whom."""

    change_list_template = "admin/audit/auditlog/change_list.html"
    allowed_filters = FILTERS
    list_display = ("when", "action", "about", "by", "source", "fields_changed")
    list_display_links = ("when",)
    list_filter = (
        *(filters.TargetFilter, filters.SubjectFilter, filters.ActorFilter, filters.DeliveryFilter),
        *(filters.PeriodFilter, "action", filters.ActorKindFilter, "source"),
    )
    search_fields = ("target",)  # that there is a field to search in; see get_search_results
    search_help_text = _(
        "Exactly: the number of a row, an object such as accounts.user:42, or a delivery such as msg_2abc."
    )
    fields = (
        *("when", "action", "source", "about", "person", "by", "impersonator", "fields_changed", "shown_details"),
        *("event", "ip_address", "user_agent", "transaction", "sealed_by"),
    )
    readonly_fields = (
        *("when", "about", "person", "by", "fields_changed", "shown_details", "event"),
        "transaction",
        "sealed_by",
    )

    @admin.display(description=_("when"))
    def when(self, row: AuditLog) -> str:
        """Return the time to the second."""
        return f"{row.timestamp:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=_("changed object"))
    def about(self, row: AuditLog) -> SafeString:
        """Return what was changed, and a way to everything about it."""
        return _linked(row.target_label, row.target, target=row.target)

    @admin.display(description=_("person it is about"))
    def person(self, row: AuditLog) -> SafeString | str:
        """Return a way to everything about the person, profiles included."""
        if row.subject_id is None:
            return "–"
        link = f"{reverse('admin:audit_auditlog_changelist')}?{urlencode({'subject': row.subject_id})}"
        return format_html('<a href="{}">{}</a>', link, gettext("Everything about this person"))

    @admin.display(description=_("actor"))
    def by(self, row: AuditLog) -> SafeString | str:
        """Return who did it, and a way to everything that person did."""
        if row.actor_id is None:
            return gettext("Clerk") if row.source == AuditLog.Source.WEBHOOK else gettext("the system")
        who = _linked(row.actor_label, f"#{row.actor_id}", actor=str(row.actor_id))
        if row.impersonator is None:
            return who
        return format_html('{} <span class="quiet">{}</span>', who, gettext("really %s") % row.impersonator)

    @admin.display(description=_("fields"))
    def fields_changed(self, row: AuditLog) -> str:
        """Return the names of the changed fields."""
        return ", ".join(row.changed) or "–"

    @admin.display(description=_("details"))
    def shown_details(self, row: AuditLog) -> SafeString:
        """Return old and new values, readable."""
        if row.details is None:
            return format_html("<em>{}</em>", ERASED)
        return format_html("<pre>{}</pre>", json.dumps(row.details, indent=2, ensure_ascii=False, sort_keys=True))

    @admin.display(description=_("delivery"))
    def event(self, row: AuditLog) -> SafeString | str:
        """Return the event behind the change, and a way to everything it changed."""
        return _linked(row.delivery, "", delivery=row.delivery) if row.delivery else "–"

    @admin.display(description=_("sealed"))
    def sealed_by(self, row: AuditLog) -> SafeString | str:
        """Return the seal that covers the row."""
        last = seals.newest()
        if last is None or seals.unsealed_rows(last).filter(pk=row.pk).exists():
            return gettext("not yet")
        covering = AuditSeal.objects.filter(
            max_id__gte=row.pk, floor_id__lt=row.pk, last_transaction__gte=row.transaction
        )
        seal = next(
            (
                s
                for s in covering.order_by("number").only("number", "last_transaction", "last_id")[:2]
                if _covers(s, row)
            ),
            None,
        )
        if seal is None:
            return gettext("yes")
        return format_html('<a href="{}">{}</a>', reverse("admin:audit_auditseal_change", args=[seal.pk]), seal)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list whose heading says what it is narrowed to."""
        return AuditChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditLog]:
        """Leave out what nobody can read."""
        return super().get_queryset(request).defer("personal_salt", "actor_salt", "personal_parts", "personal_digest")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether to filter by it is quick."""
        return lookup in FILTERS

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditLog], search_term: str
    ) -> tuple[QuerySet[AuditLog], bool]:
        """Find exactly what was typed, by an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        number = filters.person_id(term)
        return queryset.filter(Q(pk=number) if number is not None else Q(target=term) | Q(delivery=term)), False

    def get_urls(self) -> list[URLPattern]:
        """Add where the export is asked for."""
        view = self.admin_site.admin_view(post_only(self.export, back="../"))
        return [path("export/", view, name="audit_auditlog_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Send the rows that the address filters as a file, and write down who took them along."""
        if not self.has_view_permission(request):
            return self._refused(request, gettext("You may not see the audit log."))
        form = request.POST.get("format", "")
        if form not in exports.FORMATS:
            return self._refused(request, gettext("Choose CSV or JSON Lines."))
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self._refused(request, gettext("Nothing was exported, because the filter is invalid."))
        assert isinstance(found, AuditChangeList)  # noqa: S101
        period = next(spec for spec in found.filter_specs if isinstance(spec, filters.PeriodFilter))
        if errors := [*found.warnings, *period.errors]:
            return self._refused(request, gettext("Nothing was exported.") + " " + " ".join(errors))
        chosen = {name: _kept(name, request.GET[name]) for name in sorted(request.GET)}
        return exports.response(
            found.queryset, form, actor=request.user, origin=Origin.of_request(request), chosen=chosen
        )

    def _refused(self, request: HttpRequest, reason: str) -> HttpResponse:
        self.message_user(request, reason, messages.ERROR)
        return redirect("admin:audit_auditlog_changelist")


def _kept(name: str, value: str) -> str:
    """Return a value of the filter as the log may keep it for ever."""
    return redaction.redact_search_term(value) if name in TYPED and value else redaction.redact_text(value)


def _covers(seal: AuditSeal, row: AuditLog) -> bool:
    return (row.transaction, row.pk) <= (seal.last_transaction, seal.last_id)


def _linked(label: str | None, fact: str, **parameters: str) -> SafeString:
    """Return a label that leads to everything with the parameters, or that it is erased, with a fact beside it."""
    link = f"{reverse('admin:audit_auditlog_changelist')}?{urlencode(parameters)}"
    shown = format_html("<bdi>{}</bdi>", label) if label is not None else format_html("<em>{}</em>", ERASED)
    return format_html('<a href="{}">{}</a> <span class="quiet">{}</span>', link, shown, fact)


def _heading(request: HttpRequest, first: AuditLog | None) -> str:
    """Return what the list is narrowed to, in words."""
    if target := request.GET.get("target"):
        label = first.target_label if first else None
        return gettext("Everything about %s") % (f"{label} ({target})" if label else target)
    if actor := request.GET.get("actor"):
        return gettext("Everything that %s did") % ((first.actor_label if first else None) or f"#{actor}")
    if subject := request.GET.get("subject"):
        return gettext("Everything about person #%s, profiles included") % subject
    if delivery := request.GET.get("delivery"):
        return gettext("Everything that %s changed") % delivery
    return gettext("Audit log")
