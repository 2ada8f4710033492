"""The list of events: its sort orders, filters and users."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core import redaction
from core.db.keyset import Ordering
from webhooks.admin.lists.admin import FormChangeList
from webhooks.models import WebhookEvent
from webhooks.models.events import ATTEMPTS, LAG

RECEIVED = Ordering(F("received_at"), datetime)
#: The sort orders of the list, starting with the default.
ORDERS = {
    "received": RECEIVED,
    "lag": Ordering(LAG, timedelta),
    "attempts": Ordering(ATTEMPTS),
}
DEFAULT_SORT = "-received"
ORDER_LABELS: dict[str, str | Promise] = {"received": _("Received"), "lag": _("Delay"), "attempts": _("Attempts")}


class EventChangeList(FormChangeList):
    """Adds the users to the events of a page."""

    order_labels = ORDER_LABELS

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.title = gettext("Webhook events")

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[WebhookEvent]:
        """Return the filtered events with their error groups and without their large columns."""
        events = super().get_queryset(request, exclude_parameters)
        return events.select_related("error_group").defer("payload", "headers")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        ids = {event.clerk_user_id for event in self.result_list if event.clerk_user_id}
        by_clerk_id = self._read_details(lambda: _users_by_clerk_id(ids)) or {}
        for event in self.result_list:
            event.user = by_clerk_id.get(event.clerk_user_id)

    @property
    def is_first_page(self) -> bool:
        """Whether this is the unfiltered first page."""
        return not (self.newest_link or self.query or self.filter.given or self.sort != DEFAULT_SORT)


def _users_by_clerk_id(ids: Collection[str]) -> dict[str | None, User]:
    users = User.objects.filter(clerk_id__in=ids).only("clerk_id", "name", "username", "login")
    return {user.clerk_id: user for user in users} if ids else {}


def clerk_ids_by_email(email: str) -> list[str]:
    """Return the Clerk IDs of accounts with this email address, ignoring case."""
    users = User.objects.alias(lower_email=Lower("email")).filter(lower_email=email.lower(), clerk_id__isnull=False)
    return [clerk_id for clerk_id in users.values_list("clerk_id", flat=True) if clerk_id]


def _auditable_search(term: str) -> str | list[str]:
    """Return the search term without personal data: emails are replaced by the Clerk IDs of the matching accounts."""
    return clerk_ids_by_email(term.strip()) if "@" in term else redaction.redact_search_term(term)


def auditable_filters(changelist: EventChangeList) -> dict[str, Any]:
    """Return the search and filters of a list without personal data, for the audit log."""
    filters = {
        name: [
            redaction.redact_search_term(value) if name == "user" else redaction.redact_text(value) for value in values
        ]
        for name, values in changelist.filter.given.items()
    }
    return filters | ({"q": _auditable_search(changelist.query)} if changelist.query else {})
