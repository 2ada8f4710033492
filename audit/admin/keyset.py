"""Lists of the admin that stay instant over millions of rows: newest first, a page by its key, and never a count."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from audit.admin.readonly import ReadOnlyAdmin

#: In the address: the key before which, or after which, the page's rows stand.
OLDER_THAN, NEWER_THAN = "before", "after"


class KeysetChangeList(ChangeList):
    """A list that knows its page by a key, and whether there is another one beside it, and nothing of how many there are."""

    older_link = newer_link = newest_link = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the filtered rows; where the page begins is no filter."""
        for name in (OLDER_THAN, NEWER_THAN):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        if any("\x00" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters("PostgreSQL has no such text.")
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        """Return the one order in which pages have keys."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more, to know whether there is another page behind it."""
        older, newer = _key(request, OLDER_THAN), _key(request, NEWER_THAN)
        if newer is not None:
            found = list(self.queryset.filter(pk__gt=newer).order_by("pk")[: self.list_per_page + 1])
            rows, has_more = found[: self.list_per_page][::-1], len(found) > self.list_per_page
            has_newer, has_older = has_more, True
        else:
            page = self.queryset if older is None else self.queryset.filter(pk__lt=older)
            found = list(page[: self.list_per_page + 1])
            rows, has_older = found[: self.list_per_page], len(found) > self.list_per_page
            has_newer = older is not None
        if rows and has_older:
            self.older_link = self.get_query_string({OLDER_THAN: rows[-1].pk})
        if has_newer:
            self.newest_link = self.get_query_string()
            self.newer_link = self.get_query_string({NEWER_THAN: rows[0].pk}) if rows else ""
        # What the stock templates ask for. Equal counts keep them from telling a number that is only this page's.
        self.result_list = rows
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.show_admin_actions = bool(rows)
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(rows, self.list_per_page)


class KeysetAdmin(ReadOnlyAdmin):
    """A read-only page with such a list."""

    change_list_template = "admin/keyset_change_list.html"
    sortable_by = ()
    show_facets = ShowFacets.NEVER  # each would count the table
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that has pages by key."""
        return KeysetChangeList


def _key(request: HttpRequest, name: str) -> int | None:
    """Return a key of the address; None if it is none, or no such key can be."""
    try:
        key = int(request.GET.get(name, ""))
    except ValueError:
        return None
    return key if abs(key) < 2**63 else None
