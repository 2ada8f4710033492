"""Admin pages for audit log verifications, which admins can also start."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRefresh
from procrastinate import exceptions
from procrastinate.contrib.django.models import ProcrastinateJob

from audit import log, tasks
from audit.log import Actor
from audit.models import AuditLog, AuditSeal, AuditVerification
from core.admin.keyset import KeysetAdmin
from core.admin.post_only import post_only
from core.forms import LineField

NO_CONTENT = 204
LIST = "admin:audit_auditverification_changelist"
UNFINISHED = ("todo", "doing")
#: The name and the arguments of the runbook's URL.
RUNBOOK = ("admin:webhooks_runbook", None, ("audit_chain_broken",))


class RequestForm(forms.Form):
    reason = LineField(max_length=500, label=_("Reason"), widget=forms.TextInput(attrs={"size": 40}))


@admin.register(AuditVerification)
class AuditVerificationAdmin(KeysetAdmin[AuditVerification]):
    change_list_template = "admin/audit/auditverification/change_list.html"
    list_display = (
        "started_at",
        "is_intact",
        "seal_count",
        "row_count",
        "erased_count",
        "first_bad_seal",
        "first_bad_row",
    )
    fields = (
        *("is_intact", "started_at", "finished_at", "seal_count", "row_count", "erased_count"),
        *("first_bad_seal", "first_bad_row", "problem_list"),
    )
    readonly_fields = ("is_intact", "problem_list")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        verify = wrap(post_only(self.verify, back="../"))
        return [
            path("verify/", verify, name="audit_auditverification_verify"),
            path("running/", wrap(self.running), name="audit_auditverification_running"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"form": RequestForm(label_suffix=""), "is_running": _is_running()}
        return super().changelist_view(request, (extra_context or {}) | context)

    def verify(self, request: HttpRequest) -> HttpResponse:
        """Queue a verification, and record who requested it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = RequestForm(request.POST)
        if not form.is_valid():
            self.message_user(
                request, gettext("Nothing was started. Enter a reason of up to 500 characters."), messages.ERROR
            )
        elif not settings.AUDIT_SEAL_KEYS:
            text = gettext(
                "Nothing can be verified, because AUDIT_SEAL_KEY is not set. Set it for web servers and workers."
            )
            self.message_user(request, text, messages.ERROR)
        else:
            _request(Actor.from_request(request), form.cleaned_data["reason"])
        return redirect(LIST)

    def running(self, request: HttpRequest) -> HttpResponse:
        """Reload the list once the requested verification has finished."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponse(status=NO_CONTENT) if _is_running() else HttpResponseClientRefresh()

    @admin.display(description=_("intact"), boolean=True)
    def is_intact(self, verification: AuditVerification) -> bool:
        return verification.is_intact

    @admin.display(description=_("problems"))
    def problem_list(self, verification: AuditVerification) -> SafeString | str:
        """Return the problems, with links to the rows and seals that still exist."""
        if not verification.problems:
            return "–"
        pairs = [*verification.locations, *[[None, None]] * len(verification.problems)]
        rows = AuditLog.objects.filter(pk__in=[row for _seal, row in pairs if row is not None])
        seals = AuditSeal.objects.filter(pk__in=[seal for seal, _row in pairs if seal is not None])
        existing = set(rows.values_list("pk", flat=True)), set(seals.values_list("pk", flat=True))
        lines = (
            (text, _links(seal, row, *existing))
            for text, (seal, row) in zip(verification.problems, pairs, strict=False)
        )
        listed = format_html_join("", "<li>{} {}</li>", lines)
        return format_html(
            '<ul>{}</ul><p><a href="{}">{}</a></p>', listed, reverse(*RUNBOOK), gettext("Open the runbook")
        )


def _links(seal: int | None, row: int | None, rows: set[int], seals: set[int]) -> SafeString:
    links = []
    if row in rows:
        links.append((reverse("admin:audit_auditlog_change", args=[row]), gettext("Show row %d") % row))
    if seal in seals:
        links.append((reverse("admin:audit_auditseal_change", args=[seal]), gettext("Show seal %d") % seal))
    return format_html_join(" ", '<a href="{}">{}</a>', links)


def _request(actor: Actor, reason: str) -> None:
    with transaction.atomic():
        log.record(AuditLog.Action.VERIFICATION_REQUESTED, actor=actor, target=AuditVerification(), note=reason)
        try:
            with transaction.atomic():  # the exception rolls back the inner transaction
                tasks.verify_now.defer()
        except exceptions.AlreadyEnqueued:
            return


def _is_running() -> bool:
    return ProcrastinateJob.objects.filter(task_name=tasks.verify_now.name, status__in=UNFINISHED).exists()
