"""Lists of the admin that stay instant over millions of rows: pages by their place in an order, and never a count."""

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext as _
from psycopg import errors

from core.admin.read_only import ReadOnlyAdmin, ReadOnlyChangeList
from core.db.keyset import NoPlace, Order, Place

#: In the address: the place behind which, or before which, the page's rows stand; and the order, with "-" for descending.
OLDER_THAN, NEWER_THAN, SORT = "before", "after", "sort"


class TooSlow(Exception):
    """Finding the rows took longer than anybody should wait for a page."""


class KeysetChangeList(ReadOnlyChangeList):
    """A list that knows its page by a place, and whether there is another one beside it, and nothing of how many there are.

    Attributes:
        was_too_slow: whether looking for the rows was given up.
    """

    model_admin: "KeysetAdmin"
    older_link = newer_link = newest_link = ""
    was_too_slow = False

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Return the filters of the address that there are; where a page begins, and in which order, is none."""
        found, names = self._asked(params), self.model_admin.filter_names
        return {name: values for name, values in found.items() if names is None or name in names}

    def _asked(self, params: Any = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        return {name: values for name, values in found.items() if name not in (OLDER_THAN, NEWER_THAN, SORT)}

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the filtered rows; links to elsewhere in the list do not keep where this page begins."""
        for name in sorted(self._asked().keys() - self.get_filters_params().keys()):
            self.complain(_("There is no filter “%s”.") % name)
        for name in (OLDER_THAN, NEWER_THAN):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        if any("\x00" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters("PostgreSQL has no such text.")
        self.sort, self.order = self._order(request)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        """Return the order in which pages have places."""
        return [*self.order.columns()]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, and one row more, to know whether there is another page behind it."""
        older, newer = self._place(request, OLDER_THAN), self._place(request, NEWER_THAN)
        order = self.order if newer is None else self.order.reversed()
        found = self._fetch(order.behind(self.queryset, older if newer is None else newer))
        rows, has_more = found[: self.list_per_page], len(found) > self.list_per_page
        if newer is not None:
            rows.reverse()
        has_newer, has_older = (older is not None, has_more) if newer is None else (has_more, True)
        if rows and has_older:
            self.older_link = self._link(OLDER_THAN, rows[-1])
        if has_newer:
            self.newest_link = self.get_query_string()
            self.newer_link = self._link(NEWER_THAN, rows[0]) if rows else ""
        # What the stock templates ask for. Equal counts keep them from telling a number that is only this page's.
        self.result_list = rows
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.show_admin_actions = bool(rows)
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(rows, self.list_per_page)

    def _fetch(self, rows: QuerySet[Any]) -> list[Any]:
        try:
            return fetch(rows[: self.list_per_page + 1], self.model_admin.patience_ms)
        except TooSlow:
            self.was_too_slow = True
            return []

    def _order(self, request: HttpRequest) -> tuple[str, Order]:
        """Return the chosen order with its name in the address."""
        orders, chosen = self.model_admin.orders, request.GET.get(SORT, "")
        order = orders.get(chosen.removeprefix("-"))
        if order is not None:
            return chosen, order if chosen.startswith("-") else order.reversed()
        if chosen:
            self.complain(_("There is no such order, so this is the usual one."))
        name, order = next(iter(orders.items()))
        return f"-{name}", order

    def _place(self, request: HttpRequest, name: str) -> Place | None:
        text = request.GET.get(name)
        try:
            return None if text is None else self.order.parse_place(text)
        except NoPlace:
            self.complain(_("There is no such page of this list, so this is the first one."))
            return None

    def _link(self, name: str, row: Any) -> str:
        return self.get_query_string({name: self.order.format_place(self.order.place_of(row))})


class KeysetAdmin(ReadOnlyAdmin):
    """A read-only page with such a list.

    Attributes:
        orders: the orders to choose from by their names in the address, the usual one first, each with the greatest first.
        filter_names: what the address may filter by, all else being told; None leaves that to Django, which refuses the page.
        patience_ms: after how many milliseconds looking for a page is given up; None leaves it to the connection.
    """

    change_list_template = "admin/keyset_change_list.html"
    sortable_by = ()
    show_facets = ShowFacets.NEVER  # each would count the table
    list_per_page = 50
    orders: Mapping[str, Order] = {"id": Order()}
    filter_names: Collection[str] | None = None
    patience_ms: int | None = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that has pages by place."""
        return KeysetChangeList


def fetch(rows: QuerySet[Any], patience_ms: int | None) -> list[Any]:
    """Return rows.

    Args:
        patience_ms: milliseconds that PostgreSQL may take for it; None leaves it to the connection.

    Raises:
        TooSlow: that was not enough.
    """
    if patience_ms is None:
        return list(rows)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(patience_ms)])
            return list(rows)
    except OperationalError as error:
        if isinstance(error.__cause__, errors.QueryCanceled):
            raise TooSlow from error
        raise
