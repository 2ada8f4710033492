"""Admin change lists for tables with millions of rows. They use keyset pagination and do not count rows."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import OperationalError, connection, transaction
from django.db.models import Model, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise
from psycopg import errors

from core.admin.declared_filters import DeclaredFiltersChangeList
from core.admin.read_only import ReadOnlyAdmin
from core.db.cursors import InvalidCursor
from core.db.keyset import Cursor, Ordering

#: Query parameters: the cursor that the page starts after (older rows) or ends before (newer rows), and the ordering
#: with "-" for descending.
OLDER_THAN, NEWER_THAN, SORT = "before", "after", "sort"


class QueryTimeout(Exception):
    """PostgreSQL cancelled the query because it exceeded `timeout_ms`."""


class KeysetChangeList(DeclaredFiltersChangeList):
    """A change list with links to older and newer rows instead of page numbers and totals.

    Attributes:
        timed_out: whether the list is empty because the query exceeded `timeout_ms`.
    """

    model_admin: "KeysetAdmin[Any]"
    older_link = newer_link = newest_link = ""
    timed_out = False

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        """Return the filtered rows. Remove the cursor from the parameters, so that filter links do not contain it."""
        for name in (OLDER_THAN, NEWER_THAN):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        self.sort, self.order = self._ordering(request)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        return [*self.order.columns()]

    def get_results(self, request: HttpRequest) -> None:
        """Read one page, plus one row to determine whether there is another page."""
        older, newer = self._cursor(request, OLDER_THAN), self._cursor(request, NEWER_THAN)
        order = self.order if newer is None else self.order.reversed()
        found = self._fetch(order.after(self.queryset, older if newer is None else newer))
        rows, has_more = found[: self.list_per_page], len(found) > self.list_per_page
        if newer is not None:
            rows.reverse()
        has_newer, has_older = (older is not None, has_more) if newer is None else (has_more, True)
        if rows and has_older:
            self.older_link = self._link(OLDER_THAN, rows[-1])
        if has_newer:
            self.newest_link = self.get_query_string()
            self.newer_link = self._link(NEWER_THAN, rows[0]) if rows else ""
        # Django's templates need these attributes. The counts are equal, so that the page does not show its length as a
        # total.
        self.result_list = rows
        self.result_count = self.full_result_count = len(rows)
        self.show_full_result_count = self.show_admin_actions = bool(rows)
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(rows, self.list_per_page)

    def help_if_empty(self) -> StrOrPromise:
        """Return no help on pages after the first, and if the query timed out. See `DeclaredFiltersChangeList`."""
        return "" if self.newest_link or self.timed_out else super().help_if_empty()

    def _fetch(self, rows: QuerySet[Any]) -> list[Any]:
        try:
            return fetch_rows(rows[: self.list_per_page + 1], self.model_admin.timeout_ms)
        except QueryTimeout:
            self.timed_out = True
            return []

    def _ordering(self, request: HttpRequest) -> tuple[str, Ordering]:
        """Return the sort parameter's value, or its default, and the corresponding ordering."""
        orderings, sort = self.model_admin.orderings, request.GET.get(SORT, "")
        ordering = orderings.get(sort.removeprefix("-"))
        if ordering is not None:
            return sort, ordering if sort.startswith("-") else ordering.reversed()
        if sort:
            self.add_warning(_("This list cannot be sorted that way, so the default order is shown."))
        name, ordering = next(iter(orderings.items()))
        return f"-{name}", ordering

    def _cursor(self, request: HttpRequest, name: str) -> Cursor | None:
        text = request.GET.get(name)
        try:
            return None if text is None else self.order.decode_cursor(text)
        except InvalidCursor:
            self.add_warning(_("That page does not exist, so the first page is shown."))
            return None

    def _link(self, name: str, row: Any) -> str:
        return self.get_query_string({name: self.order.encode_cursor(self.order.cursor_for(row))})


class KeysetAdmin[M: Model](ReadOnlyAdmin[M]):
    """A read-only admin with keyset pagination.

    Attributes:
        orderings: the available orderings by URL name, all descending. The first ordering is the default.
        timeout_ms: the statement timeout for a page in milliseconds. None uses the connection's timeout.
    """

    change_list_template = "admin/keyset_change_list.html"
    sortable_by = ()
    show_facets = ShowFacets.NEVER  # Each facet would count the table.
    list_per_page = 50
    orderings: Mapping[str, Ordering] = {"id": Ordering()}
    list_parameters = frozenset({OLDER_THAN, NEWER_THAN, SORT})
    timeout_ms: int | None = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList


def fetch_rows(rows: QuerySet[Any], timeout_ms: int | None) -> list[Any]:
    """Evaluate a queryset under a statement timeout.

    Args:
        timeout_ms: the timeout in milliseconds. None uses the connection's timeout.

    Raises:
        QueryTimeout: the query exceeded `timeout_ms`.
    """
    if timeout_ms is None:
        return list(rows)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(timeout_ms)])
            return list(rows)
    except OperationalError as error:
        if isinstance(error.__cause__, errors.QueryCanceled):
            raise QueryTimeout from error
        raise
