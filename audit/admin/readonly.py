"""Pages of the admin that only show."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.text import capfirst


class ReadOnlyChangeList(ChangeList):
    """A list that is called by what it lists: nothing is selected there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = str(capfirst(self.opts.verbose_name_plural))


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic class when it runs
    """Rows to look at: nobody makes, changes or deletes them here, superusers included."""

    change_form_template = "admin/read_only_form.html"
    show_facets = ShowFacets.NEVER
    show_full_result_count = False  # counting millions of rows is not worth a figure
    ordering = ("-pk",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list."""
        return ReadOnlyChangeList

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from the code only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """See above."""
        return False
