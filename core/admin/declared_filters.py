"""Admin lists that accept only declared filters.

Django's lists accept any look-up on any of their model's columns. With ?password__regex= or ?body__startswith=, an
admin could guess hidden values one character at a time.
"""

import logging
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, PAGE_VAR, SEARCH_VAR, ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from core.admin.filter_groups import Chip, FilterGroup, build_chips, build_groups

log = logging.getLogger(__name__)

#: Django's list parameters that do not filter.
DJANGO_PARAMETERS = frozenset({*IGNORED_PARAMS, ERROR_FLAG, PAGE_VAR})
#: List parameters that neither filter nor search.
NON_FILTER_PARAMETERS = DJANGO_PARAMETERS - {SEARCH_VAR} | {"sort", "before", "after"}


class DeclaredFiltersChangeList(ChangeList):
    """A change list that ignores undeclared parameters and warns about them. Its title is the model's plural name.

    Attributes:
        warnings: messages about invalid query parameters that were ignored.
        unfiltered_url: the list URL without filters or search term.
    """

    model_admin: "DeclaredFiltersMixin[Any]"
    unfiltered_url = "?"

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.warnings: list[str] = []
        if ERROR_FLAG in request.GET:
            self.warnings.append(_invalid_url_warning(request))
        super().__init__(request, *args, **kwargs)
        if not self.is_popup:  # Django's title "Select group to change" only applies to popups.
            self.title = str(capfirst(self.opts.verbose_name_plural))

    def add_warning(self, sentence: str) -> None:
        if sentence not in self.warnings:  # Admin actions call get_queryset twice.
            self.warnings.append(sentence)

    @cached_property
    def filter_groups(self) -> list[FilterGroup]:
        return build_groups(self)

    def chips(self) -> list[Chip]:
        """Return the search term and the active filters."""
        search = [Chip(_("Search"), self.query, self.get_query_string(remove=[SEARCH_VAR]))] if self.query else []
        return [*search, *build_chips(self.filter_groups)]

    def help_if_empty(self) -> StrOrPromise:
        """Return the admin's help about an empty list, or "" if there are rows or filters."""
        return "" if self.result_list or self.chips() else self.model_admin.help_if_empty

    def get_filters_params(self, params: dict[str, Any] | None = None) -> dict[str, Any]:
        given = super().get_filters_params(params)
        return {name: values for name, values in given.items() if name not in self.model_admin.list_parameters}

    def get_filters(
        self, request: HttpRequest
    ) -> tuple[list[admin.ListFilter], bool, dict[str, bool | str], bool, bool]:
        """Reject values outside a column's choices, because PostgreSQL raises an error for unknown enum values."""
        found = super().get_filters(request)
        for spec in found[0]:
            if isinstance(spec, admin.ChoicesFieldListFilter):
                values = {str(value) for value, _label in spec.field.flatchoices}
                if not values.issuperset(spec.lookup_val or ()):
                    raise IncorrectLookupParameters(f"{spec.field_path} must be one of its choices.")
        return found

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        for name in self.model_admin.undeclared_parameters(request):
            self.add_warning(_("There is no filter “%s”.") % name)
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        if any("\x00" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters("PostgreSQL text cannot contain NUL characters.")
        return super().get_queryset(request, exclude_parameters)


class DeclaredFiltersMixin[M: Model](admin.ModelAdmin[M]):
    """An admin whose list accepts only the filters in `list_filter`."""

    change_list_template = "admin/operators_list.html"
    #: The list's own query parameters that do not filter.
    list_parameters: frozenset[str] = frozenset()
    #: What the list will contain and what to do next, shown while the table has no rows.
    help_if_empty: StrOrPromise = ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeclaredFiltersChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> M | None:
        """Return the row, or None if PostgreSQL cannot store the key. A blank `_to_field` is ignored."""
        return None if "\x00" in object_id else super().get_object(request, object_id, from_field or None)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Return a 404 page instead of redirecting to the admin index, which hides the cause."""
        context = {"title": _("Not found"), "opts": opts, "object_id": unquote(object_id)[:100]}
        return render(request, "admin/missing.html", self.admin_site.each_context(request) | context, status=404)

    def declared_parameters(self, request: HttpRequest) -> frozenset[str]:
        """Return the query parameters for the list's filters."""
        names: set[str] = set()
        for declared in self.get_list_filter(request):
            names.update(name for name in self._filter(request, declared).expected_parameters() if name)
        return frozenset(names)

    def undeclared_parameters(self, request: HttpRequest) -> list[str]:
        """Return the names of query parameters that neither filter nor control the list."""
        known = self.declared_parameters(request) | self.list_parameters | DJANGO_PARAMETERS
        return sorted(request.GET.keys() - known)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in self.declared_parameters(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Log undeclared parameters, and reject actions on a list that does not apply all filters in its URL."""
        if unknown := self.undeclared_parameters(request):
            log.warning("Admin list of %s: ignored undeclared filters %s", self.opts.label, unknown)
            if request.method == "POST":
                message = _("Nothing was done, because there is no filter “%s”.") % unknown[0]
                self.message_user(request, message, messages.ERROR)
                return redirect(request.path)
        return super().changelist_view(request, extra_context)

    def _filter(self, request: HttpRequest, declared: Any) -> admin.ListFilter:
        """Build a `list_filter` entry without parameters. `ChangeList.get_filters` builds it with parameters."""
        if isinstance(declared, type):
            simple: admin.ListFilter = declared(request, {}, self.model, self)
            return simple
        path, factory = declared if isinstance(declared, tuple | list) else (declared, admin.FieldListFilter.create)
        field = get_fields_from_path(self.model, path)[-1]
        by_field: admin.ListFilter = factory(field, request, {}, self.model, self, field_path=path)
        return by_field


def _invalid_url_warning(request: HttpRequest) -> str:
    """Return a warning. If a parameter is invalid, Django redirects to the unfiltered list and sets ERROR_FLAG."""
    if request.GET.keys() - NON_FILTER_PARAMETERS:
        return _("Part of the URL was invalid and has been ignored.")
    return _("The URL was invalid, so the list is not filtered.")
