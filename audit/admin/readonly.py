"""Pages of the admin that only show."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic class when it runs
    """Rows to look at: nobody makes, changes or deletes them here, superusers included."""

    show_full_result_count = False  # counting millions of rows is not worth a figure
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from the code only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False
