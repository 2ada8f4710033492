"""Admin pages for seals and checkpoint destinations."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from audit.models import AuditSeal, CheckpointTarget
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


@admin.register(CheckpointTarget)
class CheckpointTargetAdmin(ReadOnlyAdmin[CheckpointTarget]):
    list_display = ("destination", "last_sent_seal", "sent_at", "last_error")
