"""Profiles in the Django admin, to look at; they are edited on their own pages."""

from django.contrib import admin

from audit.admin import ReadOnlyAdmin
from profiles.models import BuilderProfile, ClientProfile


@admin.register(BuilderProfile)
class BuilderProfileAdmin(ReadOnlyAdmin):
    """Builders' pages, with every reason that keeps one away."""

    list_display = (
        "name",
        "headline",
        "validation_tier",
        "available_for_hire",
        "searchable",
        *("hidden_at", "archived_at"),
    )
    list_filter = ("validation_tier", "available_for_hire", "searchable")
    list_select_related = ("user",)
    search_fields = ("=slug", "^user__name", "=user__clerk_id")


@admin.register(ClientProfile)
class ClientProfileAdmin(ReadOnlyAdmin):
    """Clients' profiles, which nobody else sees."""

    list_display = ("name", "hidden_at", "archived_at")
    list_select_related = ("user",)
    search_fields = ("^user__name", "=user__clerk_id")
