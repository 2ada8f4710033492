"""Django admin pages for audit rows."""

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
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
from audit.log import Actor
from audit.models import AuditLog, AuditSeal
from audit.sealing import seals
from core import redaction
from core.admin.keyset import KeysetAdmin, KeysetChangeList
from core.admin.post_only import post_only
from core.admin.verification import ask_to_verify

ERASED = _("erased")
#: Free-text parameters, which can contain personal data.
FREE_TEXT = ("q", "target", "delivery")


class AuditChangeList(KeysetChangeList):
    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        names = _names(request, next(iter(self.result_list), None))
        self.title = _heading(request, names)
        for spec in self.filter_specs:
            if isinstance(spec, filters.ValueFilter):
                spec.name = names.get(spec.parameter, "")


@admin.register(AuditLog)
class AuditLogAdmin(KeysetAdmin[AuditLog]):
    change_list_template = "admin/audit/auditlog/change_list.html"
    list_display = ("written_at", "action", "target_link", "actor_link", "source", "changed_field_names")
    list_display_links = ("written_at",)
    list_filter = (
        *(filters.TargetFilter, filters.SubjectFilter, filters.ActorFilter, filters.DeliveryFilter),
        *(filters.PeriodFilter, "action", filters.ActorKindFilter, "source"),
    )
    search_fields = ("target",)  # Only enables the search box. See get_search_results.
    search_help_text = _("Enter a row number, an object like accounts.user:42, or a delivery like msg_2abc.")
    fields = (
        *("written_at", "action", "source", "target_link", "subject_link", "actor_link", "impersonator"),
        *("changed_field_names", "formatted_details", "delivery_link", "ip_address", "user_agent", "transaction"),
        "seal_link",
    )
    readonly_fields = (
        *("written_at", "target_link", "subject_link", "actor_link", "changed_field_names", "formatted_details"),
        *("delivery_link", "transaction", "seal_link"),
    )

    @admin.display(description=_("time"))
    def written_at(self, row: AuditLog) -> str:
        """Return the time in UTC, to the second."""
        return f"{row.timestamp:%Y-%m-%d %H:%M:%S}"

    @admin.display(description=_("changed object"))
    def target_link(self, row: AuditLog) -> SafeString:
        return _linked(row.target_label, row.target, target=row.target)

    @admin.display(description=_("about user"))
    def subject_link(self, row: AuditLog) -> SafeString | str:
        if row.subject_id is None:
            return "–"
        link = f"{reverse('admin:audit_auditlog_changelist')}?{urlencode({'subject': row.subject_id})}"
        return format_html('<a href="{}">{}</a>', link, gettext("View all rows about this user"))

    @admin.display(description=_("actor"))
    def actor_link(self, row: AuditLog) -> SafeString | str:
        if row.actor_id is None:
            return gettext("Clerk") if row.source == AuditLog.Source.WEBHOOK else gettext("System")
        link = _linked(row.actor_label, f"#{row.actor_id}", actor=str(row.actor_id))
        if row.impersonator is None:
            return link
        return format_html('{} <span class="quiet">{}</span>', link, gettext("impersonated by %s") % row.impersonator)

    @admin.display(description=_("fields"))
    def changed_field_names(self, row: AuditLog) -> str:
        return ", ".join(row.changed_fields) or "–"

    @admin.display(description=_("details"))
    def formatted_details(self, row: AuditLog) -> SafeString:
        if row.details is None:
            return format_html("<em>{}</em>", ERASED)
        return format_html("<pre>{}</pre>", json.dumps(row.details, indent=2, ensure_ascii=False, sort_keys=True))

    @admin.display(description=_("delivery"))
    def delivery_link(self, row: AuditLog) -> SafeString | str:
        return _linked(row.delivery, "", delivery=row.delivery) if row.delivery else "–"

    @admin.display(description=_("sealed"))
    def seal_link(self, row: AuditLog) -> SafeString | str:
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
        return AuditChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditLog]:
        """Defer salts and digests, which are not shown."""
        return super().get_queryset(request).defer("personal_salt", "actor_salt", "column_digests", "personal_digest")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditLog], search_term: str
    ) -> tuple[QuerySet[AuditLog], bool]:
        """Find exact matches only, because indexes support them."""
        term = search_term.strip()
        if not term:
            return queryset, False
        number = filters.parse_user_id(term)
        return queryset.filter(Q(pk=number) if number is not None else Q(target=term) | Q(delivery=term)), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.export, back="../"))
        return [path("export/", view, name="audit_auditlog_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            return self._reject(request, gettext("You do not have permission to view the audit log."))
        file_format = request.POST.get("format", "")
        if file_format not in exports.FORMATS:
            return self._reject(request, gettext("Choose CSV or JSON Lines."))
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self._reject(request, gettext("Nothing was exported, because the filter is invalid."))
        assert isinstance(found, AuditChangeList)  # noqa: S101
        period = next(spec for spec in found.filter_specs if isinstance(spec, filters.PeriodFilter))
        if errors := [*found.warnings, *period.errors]:
            return self._reject(request, gettext("Nothing was exported.") + " " + " ".join(errors))
        query = request.GET.urlencode()
        page = reverse("admin:audit_auditlog_changelist") + (f"?{query}" if query else "")
        if response := ask_to_verify(request, page, keep_form=False):
            return response
        chosen = {name: _loggable(name, request.GET[name]) for name in sorted(request.GET)}
        return exports.export_response(
            found.queryset,
            file_format,
            actor=Actor.from_request(request),
            chosen_filters=chosen,
        )

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        self.message_user(request, reason, messages.ERROR)
        return redirect("admin:audit_auditlog_changelist")


def _loggable(name: str, value: str) -> str:
    """Redact a filter value, because the log stores it permanently."""
    return redaction.redact_search_term(value) if name in FREE_TEXT and value else redaction.redact_text(value)


def _covers(seal: AuditSeal, row: AuditLog) -> bool:
    return (row.transaction, row.pk) <= (seal.last_transaction, seal.last_id)


def _linked(label: str | None, note: str, **parameters: str) -> SafeString:
    """Return a link to all rows with these parameters, followed by a note.

    The link text is `label`, or "erased" if it is None.
    """
    link = f"{reverse('admin:audit_auditlog_changelist')}?{urlencode(parameters)}"
    shown = format_html("<bdi>{}</bdi>", label) if label is not None else format_html("<em>{}</em>", ERASED)
    return format_html('<a href="{}">{}</a> <span class="quiet">{}</span>', link, shown, note)


def _names(request: HttpRequest, first: AuditLog | None) -> dict[str, str]:
    """Return the names of the object and the users in the URL. All listed rows have the same ones.

    Args:
        first: the first row of the list.
    """
    subject = filters.parse_user_id(request.GET.get("subject", ""))
    names = {
        "target": first.target_label if first else None,
        "actor": first.actor_label if first else None,
        "subject": get_user_model().objects.filter(pk=subject).first() if subject is not None else None,
    }
    return {parameter: str(name) for parameter, name in names.items() if name and request.GET.get(parameter)}


def _heading(request: HttpRequest, names: dict[str, str]) -> str:
    if target := request.GET.get("target"):
        return gettext("Audit rows about %s") % (f"{names['target']} ({target})" if "target" in names else target)
    if actor := request.GET.get("actor"):
        return gettext("Actions by %s") % names.get("actor", f"#{actor}")
    if subject := request.GET.get("subject"):
        if "subject" in names:
            return gettext("Audit rows about %s and their profiles") % names["subject"]
        return gettext("Audit rows about user #%s and their profiles") % subject
    if delivery := request.GET.get("delivery"):
        return gettext("Changes made by %s") % delivery
    return gettext("Audit log")
