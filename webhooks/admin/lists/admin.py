"""Base class for operators' lists with filter chips, a search field and sort links above a dense table."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.admin.filter_groups import Chip
from core.admin.keyset import SORT, KeysetChangeList
from core.db.locked_tables import TIMEOUTS
from webhooks.admin.lists.filters import FormFilter


class FormChangeList(KeysetChangeList):
    """A keyset-paginated list with a filter form."""

    #: The label of each sort order.
    order_labels: ClassVar[dict[str, str | Promise]] = {}

    def get_queryset(self, request: HttpRequest, exclude_parameters: list[str | None] | None = None) -> QuerySet[Any]:
        """Return the filtered rows.

        Invalid filters are reported and ignored. In POST requests, an invalid filter selects no rows, so that an action
        never affects more rows than intended.
        """
        found = super().get_queryset(request, exclude_parameters)
        for message in self.filter.form.error_messages():
            self.add_warning(message)
        return found.none() if self.warnings and request.method == "POST" else found

    def _read_details[T](self, read: Callable[[], T]) -> T | None:
        """Read details from other tables. If such a table is locked, the list is shown without the details."""
        try:
            return read()
        except OperationalError as error:
            if connection.in_atomic_block or not isinstance(error.__cause__, TIMEOUTS):
                raise
            self.add_warning(
                gettext("Names and other details are missing, because the database did not respond in time.")
            )
            return None

    @property
    def filter(self) -> FormFilter:
        [found] = self.filter_specs
        assert isinstance(found, FormFilter)  # noqa: S101
        return found

    def chips(self) -> list[Chip]:
        search = [Chip(_("Search"), self.query, self.get_query_string({"q": None}))] if self.query else []
        return [*search, *self.filter.chips(self)]

    @property
    def unfiltered_url(self) -> str:  # type: ignore[override]  # the sort order is known later
        return f"?{urlencode({SORT: self.sort})}"

    def sorts(self) -> list[tuple[str | Promise, str, str]]:
        """Return the label and URL of each sort order, and "-" or "+" for the current order (descending or ascending).

        The current order's link reverses it. All other links sort in descending order.
        """
        current, descending = self.sort.removeprefix("-"), self.sort.startswith("-")
        return [
            (
                label,
                self.get_query_string({SORT: name if name == current and descending else f"-{name}"}),
                ("-" if descending else "+") if name == current else "",
            )
            for name, label in self.order_labels.items()
        ]
