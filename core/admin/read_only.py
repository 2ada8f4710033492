"""Read-only admin pages."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.http import HttpRequest
from django.utils.text import capfirst

from core.admin.declared_filters import DeclaredFiltersChangeList, DeclaredFiltersMixin


class ReadOnlyChangeList(DeclaredFiltersChangeList):
    """A change list whose title is the model's plural name, because "Select … to change" does not apply."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = str(capfirst(self.opts.verbose_name_plural))


class ReadOnlyAdmin[M: Model](DeclaredFiltersMixin[M]):
    """An admin in which no one, not even a superuser, can add, change or delete rows. Only code writes these rows."""

    change_form_template = "admin/read_only_form.html"
    show_facets = ShowFacets.NEVER
    show_full_result_count = False  # Counting millions of rows is slow.
    ordering = ("-pk",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReadOnlyChangeList

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False
