"""The seals of the audit log in the Django admin, what came of verifying them, and where checkpoints are sent."""

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
class AuditSealAdmin(KeysetAdmin):
    """The chain, newest first."""

    list_display = ("number", "sealed_at", "rows", "total", "key_id", "short_mac")
    fields = (
        *("number", "sealed_at", "rows", "total", "last_transaction", "last_id", "cluster", "floor_id", "max_id"),
        *("key_id", "whole_mac", "form"),
    )
    readonly_fields = ("whole_mac",)

    @admin.display(description=_("mac"))
    def short_mac(self, seal: AuditSeal) -> str:
        """Return enough to compare with a checkpoint by eye."""
        return f"{bytes(seal.mac).hex()[:16]}…"

    @admin.display(description=_("mac"))
    def whole_mac(self, seal: AuditSeal) -> str:
        """Return it as checkpoints have it."""
        return bytes(seal.mac).hex()

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditSeal]:
        """Leave out the digests of the rows, which can be 40 KB."""
        return super().get_queryset(request).defer("leaves")


@admin.register(AuditVerification)
class AuditVerificationAdmin(KeysetAdmin):
    """What came of comparing log and seals."""

    list_display = ("started_at", "well", "seals", "rows", "erased", "first_bad_seal", "first_bad_row")
    fields = (
        *("well", "started_at", "finished_at", "seals", "rows", "erased"),
        *("first_bad_seal", "first_bad_row", "told"),
    )
    readonly_fields = ("well", "told")

    @admin.display(description=_("as it was sealed"), boolean=True)
    def well(self, verification: AuditVerification) -> bool:
        """Return whether log and seals agreed."""
        return verification.is_good

    @admin.display(description=_("problems"))
    def told(self, verification: AuditVerification) -> SafeString | str:
        """Return them as a list."""
        items = format_html_join("", "<li>{}</li>", ((text,) for text in verification.problems))
        return format_html("<ul>{}</ul>", items) if verification.problems else "–"


@admin.register(CheckpointTarget)
class CheckpointTargetAdmin(ReadOnlyAdmin):
    """How far each target of checkpoints was told."""

    list_display = ("address", "sent_up_to", "sent_at", "last_error")
