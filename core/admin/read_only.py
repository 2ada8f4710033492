"""Pages of the admin that only show."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

#: What in an address narrows no list: Django's words and ours for pages and orders, and that something was not understood.
NARROWS_NOTHING = frozenset({ERROR_FLAG, "o", "p", "all", "sort", "before", "after"})


class ReadOnlyChangeList(ChangeList):
    """A list that is called by what it lists: nothing is selected there.

    Attributes:
        complaints: what in the address could not be understood, and was ignored, in sentences.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.complaints: list[str] = []
        if ERROR_FLAG in request.GET:
            self.complaints.append(_misunderstood(request))
        super().__init__(request, *args, **kwargs)
        self.title = str(capfirst(self.opts.verbose_name_plural))

    def complain(self, sentence: str) -> None:
        """Tell of something in the address that could not be understood."""
        if sentence not in self.complaints:  # actions ask for the rows a second time
            self.complaints.append(sentence)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not a generic class when it runs
    """Rows to look at: nobody makes, changes or deletes them here, superusers included."""

    change_form_template = "admin/read_only_form.html"
    change_list_template = "admin/read_only_list.html"
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


def _misunderstood(request: HttpRequest) -> str:
    """Return that something was left out, and whether anything is left. Django leads to a list without all of it."""
    if request.GET.keys() - NARROWS_NOTHING:
        return _("Something in the address could not be understood, and was left out.")
    return _("The address could not be understood, so nothing is filtered.")
