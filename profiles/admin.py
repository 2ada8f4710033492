"""Read-only admin of profiles. Profiles are edited on their own pages."""

from django.contrib import admin

from core.admin.read_only import ReadOnlyAdmin
from profiles.models import Badge, BuilderProfile, ClientProfile, ContactMessage, FormerSlug, Project


@admin.register(BuilderProfile)
class BuilderProfileAdmin(ReadOnlyAdmin[BuilderProfile]):
    list_display = (
        "name",
        "headline",
        "validation_tier",
        "available_for_hire",
        "searchable",
        "featured_at",
        *("hidden_at", "hidden_reason", "unpublished_at", "archived_at", "deleted_at"),
    )
    list_filter = (
        *("validation_tier", "available_for_hire", "availability", "searchable"),
        *((name, admin.EmptyFieldListFilter) for name in ("featured_at", "hidden_at", "unpublished_at", "deleted_at")),
    )
    list_select_related = ("user",)
    search_fields = ("=slug", "^user__name", "=user__clerk_id")


@admin.register(ClientProfile)
class ClientProfileAdmin(ReadOnlyAdmin[ClientProfile]):
    list_display = ("name", "company_name", "hidden_at", "archived_at")
    list_select_related = ("user",)
    search_fields = ("^user__name", "=user__clerk_id")


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin[Project]):
    list_display = ("title", "builder", "status", "created_at")
    list_filter = ("status",)
    list_select_related = ("builder__user",)
    search_fields = ("=builder__slug", "=builder__user__clerk_id")
    raw_id_fields = ("builder",)


@admin.register(Badge)
class BadgeAdmin(ReadOnlyAdmin[Badge]):
    list_display = ("kind", "builder", "evidence", "awarded_at", "awarded_by")
    list_filter = ("kind",)
    list_select_related = ("builder__user", "awarded_by")
    search_fields = ("=builder__slug", "=builder__user__clerk_id")
    raw_id_fields = ("builder", "awarded_by")


@admin.register(ContactMessage)
class ContactMessageAdmin(ReadOnlyAdmin[ContactMessage]):
    """Messages without their subject and body, which are private."""

    list_display = ("sent_at", "sender", "builder", "mailed_at")
    list_select_related = ("builder__user", "sender")
    search_fields = ("=builder__slug", "=builder__user__clerk_id", "=sender__clerk_id")
    raw_id_fields = ("builder", "sender")
    exclude = ("subject", "body")


@admin.register(FormerSlug)
class FormerSlugAdmin(ReadOnlyAdmin[FormerSlug]):
    list_display = ("slug", "builder", "replaced_at")
    list_select_related = ("builder__user",)
    search_fields = ("=slug", "=builder__slug")
    raw_id_fields = ("builder",)
