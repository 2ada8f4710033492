"""Admin pages for seals, verifications and checkpoint destinations."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audit.models import AuditSeal, AuditVerification, CheckpointTarget
from core.admin.keyset import KeysetAdmin
from core.admin.read_only import ReadOnlyAdmin


@admin.register(AuditSeal)
class AuditSealAdmin(KeysetAdmin[AuditSeal]):
    list_display = ("number", "sealed_at", "row_count", "total_rows", "key_id", "short_mac")
    fields = (
        *("number", "sealed_at", "row_count", "total_rows", "last_transaction", "last_id", "cluster", "floor_id"),
        *("max_id", "key_id", "full_mac", "format_version"),
    )
    readonly_fields = ("full_mac",)

    @admin.display(description=_("MAC"))
    def short_mac(self, seal: AuditSeal) -> str:
        """Return enough digits for a visual comparison with a checkpoint."""
        return f"{bytes(seal.mac).hex()[:16]}…"

    @admin.display(description=_("MAC"))
    def full_mac(self, seal: AuditSeal) -> str:
        """Return the MAC in the format used in checkpoints."""
        return bytes(seal.mac).hex()

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditSeal]:
        """Defer the leaves, which can be 40 KB."""
        return super().get_queryset(request).defer("leaves")


@admin.register(AuditVerification)
class AuditVerificationAdmin(KeysetAdmin[AuditVerification]):
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

    @admin.display(description=_("intact"), boolean=True)
    def is_intact(self, verification: AuditVerification) -> bool:
        return verification.is_intact

    @admin.display(description=_("problems"))
    def problem_list(self, verification: AuditVerification) -> SafeString | str:
        items = format_html_join("", "<li>{}</li>", ((text,) for text in verification.problems))
        return format_html("<ul>{}</ul>", items) if verification.problems else "–"


@admin.register(CheckpointTarget)
class CheckpointTargetAdmin(ReadOnlyAdmin[CheckpointTarget]):
    list_display = ("destination", "last_sent_seal", "sent_at", "last_error")
