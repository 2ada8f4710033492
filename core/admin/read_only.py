"""Admin pages that only display rows."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

#: Query parameters that do not filter: Django's and our own for paging and sorting, and Django's error flag.
NON_FILTER_PARAMETERS = frozenset({ERROR_FLAG, "o", "p", "all", "sort", "before", "after"})


class ReadOnlyChangeList(ChangeList):
    """A change list titled with the plural of its model, because "Select … to change" does not apply.

    Attributes:
        warnings: sentences about query parameters that were invalid and therefore ignored.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.warnings: list[str] = []
        if ERROR_FLAG in request.GET:
            self.warnings.append(_invalid_url_warning(request))
        super().__init__(request, *args, **kwargs)
        self.title = str(capfirst(self.opts.verbose_name_plural))

    def add_warning(self, sentence: str) -> None:
        if sentence not in self.warnings:  # admin actions call get_queryset twice
            self.warnings.append(sentence)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at runtime
    """An admin without add, change and delete, also for superusers. Only code writes these rows."""

    change_form_template = "admin/read_only_form.html"
    change_list_template = "admin/read_only_list.html"
    show_facets = ShowFacets.NEVER
    show_full_result_count = False  # counting millions of rows is slow
    ordering = ("-pk",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReadOnlyChangeList

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _invalid_url_warning(request: HttpRequest) -> str:
    """Return a warning. For an invalid parameter, Django redirects to the list without any filter and sets ERROR_FLAG."""
    if request.GET.keys() - NON_FILTER_PARAMETERS:
        return _("Part of the URL was invalid and has been ignored.")
    return _("The URL was invalid, so the list is not filtered.")
