"""Filters for the event list."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.db.models import Max, Min, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.admin.keyset import NEWER_THAN, OLDER_THAN
from webhooks.admin.lists.filters import (
    ErrorGroupField,
    FilterForm,
    FormFilter,
    ReplayField,
    StatesField,
    UserField,
    UTCDateTimeField,
    WithinField,
)
from webhooks.inbox.handlers import HANDLERS
from webhooks.models import EventCount, WebhookEvent
from webhooks.models.events import ERROR_TYPE
from webhooks.replay import bulk as replays

State = WebhookEvent.State
#: The URL parameter for failed and dead events.
UNSETTLED = "unsettled"
#: Event types received in this period are suggested.
SUGGESTION_PERIOD = timedelta(days=30)
#: Filters that no settled event matches.
ERROR_FILTERS = ("error_class", "error_type")


class EventFilterForm(FilterForm):
    """The filters of the event list. Most filters have the same name as their column."""

    state = StatesField(choices=[*State.choices, (UNSETTLED, _("Unsettled"))], label=_("State"))
    within = WithinField(label=_("Received"))
    event_type = forms.CharField(
        max_length=100, label=_("Event type"), widget=forms.TextInput(attrs={"list": "event-types"})
    )
    error_class = forms.ChoiceField(  # type: ignore[assignment]  # the form's own name for how errors are listed
        choices=[("", _("Any or none")), *WebhookEvent.ErrorClass.choices],
        label=_("Error class"),
        error_messages={"invalid_choice": _("There is no error class “%(value)s”.")},
    )
    error_type = forms.CharField(max_length=100, label=_("Error type, such as KeyError"))
    error_group = ErrorGroupField()
    replay = ReplayField()
    user = UserField()
    source = forms.GenericIPAddressField(label=_("Source address"))
    received_at__gte = UTCDateTimeField(label=_("Received from (UTC)"))
    received_at__lt = UTCDateTimeField(label=_("Received before (UTC)"))

    def apply(self, rows: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        self.full_clean()
        values = self.cleaned_data
        states = set(values.get("state", ()))
        if UNSETTLED in states:
            states = states - {UNSETTLED} | {*WebhookEvent.UNSETTLED}
        conditions: dict[str, Any] = {
            "state__in": sorted(states),
            "event_type": values.get("event_type"),
            "error_class": values.get("error_class"),
            "error_group": values.get("error_group"),
            "clerk_user_id": values.get("user"),
            "source_address": values.get("source"),
            "received_at__gte": self.since("within", "received_at__gte"),
            "received_at__lt": values.get("received_at__lt"),
        }
        found = rows.filter(**{name: value for name, value in conditions.items() if value})
        if replay := values.get("replay"):
            found = found.filter(pk__in=replays.event_ids(replay))
        if error_type := values.get("error_type"):
            # Settled events have notes instead of errors. The condition also selects a partial index.
            found = found.alias(error_type=ERROR_TYPE).filter(error_type=error_type).exclude(error_class="")
        return found


def resolved_filters(query: QueryDict, ids: Iterable[int]) -> QueryDict:
    """Return the filters of a list, changed so that it shows the events that were resolved in it.

    The period is limited to these events, because the list may also contain many newer ignored events.
    """
    found = query.copy()
    for name in (*ERROR_FILTERS, OLDER_THAN, NEWER_THAN):
        found.pop(name, None)
    received = WebhookEvent.objects.filter(pk__in=ids).aggregate(first=Min("received_at"), last=Max("received_at"))
    found["state"] = State.IGNORED
    found["received_at__gte"] = received["first"].isoformat(timespec="seconds")
    found["received_at__lt"] = (received["last"] + timedelta(seconds=1)).isoformat(timespec="seconds")
    return found


class EventFilter(FormFilter):
    title = cast(str, _("events"))
    form_class = EventFilterForm

    def suggested_types(self) -> list[str]:
        recent = EventCount.objects.filter(hour__gte=timezone.now() - SUGGESTION_PERIOD).exclude(event_type="")
        return sorted({*recent.values_list("event_type", flat=True).distinct(), *HANDLERS})
