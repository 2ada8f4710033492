"""The list of events: in which orders, what it is narrowed to, and whom its events are about."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core import redaction
from core.admin.keyset import SORT, KeysetChangeList
from core.db.keyset import Ordering
from webhooks.admin.filters import Chip, EventFilter
from webhooks.models.events import ATTEMPTS, LAG

MICROSECOND = timedelta(microseconds=1)


def _moment(text: str) -> datetime:
    """Return what `datetime.isoformat` said of a moment."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


RECEIVED = Ordering(F("received_at"), parse=_moment, format=datetime.isoformat)
BY_LAG = Ordering(LAG, parse=lambda text: int(text) * MICROSECOND, format=lambda lag: str(lag // MICROSECOND))
#: The orders of the list, the usual one first, and what to call them.
ORDERS = {"received": RECEIVED, "lag": BY_LAG, "attempts": Ordering(ATTEMPTS)}
ORDER_WORDS = {"received": _("Received"), "lag": _("Lag"), "attempts": _("Attempts")}


class EventChangeList(KeysetChangeList):
    """The list with what its page shows beside the rows."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = gettext("Webhook events")

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the filtered events, without what is large: that is for the page of one event.

        A filter that was not understood narrows nothing, which is said. Whoever is about to do something with all
        events that are left cannot have meant that, so then there are none.
        """
        found = super().get_queryset(request, exclude_parameters).defer("payload", "headers")
        for sentence in self.filter.form.complaints():
            self.add_warning(sentence)
        return found.none() if self.warnings and request.method == "POST" else found

    def get_results(self, request: HttpRequest) -> None:
        """Read a page, and who its people are."""
        super().get_results(request)
        ids = {event.clerk_user_id for event in self.result_list if event.clerk_user_id}
        people = User.objects.filter(clerk_id__in=ids).only("clerk_id", "name", "username", "login")
        known = {person.clerk_id: person for person in people} if ids else {}
        for event in self.result_list:
            event.person = known.get(event.clerk_user_id)

    @property
    def filter(self) -> EventFilter:
        """Return the one filter there is."""
        [found] = self.filter_specs
        assert isinstance(found, EventFilter)  # noqa: S101
        return found

    def chips(self) -> list[Chip]:
        """Return everything that the list is narrowed to."""
        search = [Chip(_("Search"), self.query, self.get_query_string({"q": None}))] if self.query else []
        return [*search, *self.filter.chips(self)]

    def sorts(self) -> list[tuple[Any, str, str]]:
        """Return each order: its name, its address, and "-" or "+" if it is the present one, falling or rising.

        The present one leads to its opposite, and others to their greatest first.
        """
        now, falling = self.sort.removeprefix("-"), self.sort.startswith("-")
        return [
            (
                ORDER_WORDS[name],
                self.get_query_string({SORT: name if name == now and falling else f"-{name}"}),
                ("-" if falling else "+") if name == now else "",
            )
            for name in ORDERS
        ]


def people_at(address: str) -> list[str]:
    """Return the Clerk ids of the accounts with an e-mail address."""
    people = User.objects.alias(address=Lower("email")).filter(address=address.lower(), clerk_id__isnull=False)
    return [clerk_id for clerk_id in people.values_list("clerk_id", flat=True) if clerk_id]


def searched(term: str) -> str | list[str]:
    """Return what was searched for, as the audit log may keep it: whom an address belongs to, or an id, and no words."""
    return people_at(term.strip()) if "@" in term else redaction.redact_search_term(term)


def chosen(found: EventChangeList) -> dict[str, Any]:
    """Return what the list is narrowed to, as the audit log may keep it."""
    kept = {
        name: [
            redaction.redact_search_term(value) if name == "user" else redaction.redact_text(value) for value in values
        ]
        for name, values in found.filter.given.items()
    }
    return kept | ({"q": searched(found.query)} if found.query else {})
