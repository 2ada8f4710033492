"""Read-only admin pages."""

from django.contrib.admin import ShowFacets
from django.db.models import Model
from django.http import HttpRequest

from core.admin.declared_filters import DeclaredFiltersMixin


class ReadOnlyAdmin[M: Model](DeclaredFiltersMixin[M]):
    """An admin in which no one, not even a superuser, can add, change or delete rows. Only code writes these rows."""

    change_form_template = "admin/read_only_form.html"
    show_facets = ShowFacets.NEVER
    show_full_result_count = False  # Counting millions of rows is slow.
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False
