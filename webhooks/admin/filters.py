"""Filters of the list of events. Invalid values are reported and ignored."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.admin.filters import PERIODS, parse_time, parse_user_id
from core.admin.filter_groups import Chip
from webhooks.inbox.handlers import HANDLERS
from webhooks.models import EventCount, WebhookEvent
from webhooks.models.events import ERROR_TYPE

State = WebhookEvent.State
#: The URL parameter for failed and dead events.
UNSETTLED = "unsettled"
#: Event types received in this period are suggested.
SUGGESTION_PERIOD = timedelta(days=30)


class UTCDateTimeInput(forms.DateTimeInput):
    """An input for a time in seconds, converted to UTC from the time zone in the URL."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str:
        try:
            time = parse_time(value or "")
        except ValueError:
            return ""
        return time.strftime("%Y-%m-%dT%H:%M:%S") if time else ""


class UTCDateTimeField(forms.Field):
    """A time with an optional time zone. The default is UTC."""

    widget = UTCDateTimeInput(attrs={"step": "1"})
    default_error_messages = {"invalid": _("Enter a time such as 2026-11-24T09:30.")}

    def to_python(self, value: Any) -> datetime | None:
        try:
            return parse_time(value or "")
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class EventFilterForm(forms.Form):
    """The filters of the event list. Most filters have the same name as their column."""

    state = forms.MultipleChoiceField(
        choices=[*State.choices, (UNSETTLED, _("Unsettled"))],
        label=_("State"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no state “%(value)s”.")},
    )
    within = forms.ChoiceField(
        choices=[("", _("Any time")), *((name, label) for name, (_span, label) in PERIODS.items())],
        label=_("Received"),
        error_messages={"invalid_choice": _("There is no time range “%(value)s”.")},
    )
    event_type = forms.CharField(
        max_length=100, label=_("Event type"), widget=forms.TextInput(attrs={"list": "event-types"})
    )
    error_class = forms.ChoiceField(  # type: ignore[assignment]  # the form's own name for how errors are listed
        choices=[("", _("Any or none")), *WebhookEvent.ErrorClass.choices],
        label=_("Error class"),
        error_messages={"invalid_choice": _("There is no error class “%(value)s”.")},
    )
    error_type = forms.CharField(max_length=100, label=_("Error type, such as KeyError"))
    user = forms.CharField(max_length=64, label=_("User: Clerk ID or local ID"))
    source = forms.GenericIPAddressField(label=_("Source address"))
    received_at__gte = UTCDateTimeField(label=_("Received from (UTC)"))
    received_at__lt = UTCDateTimeField(label=_("Received before (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def clean_user(self) -> str:
        """Return the Clerk ID, looking it up for a local ID."""
        given: str = self.cleaned_data["user"]
        key = parse_user_id(given)
        if not given or key is None:
            return given
        clerk_id = User.objects.filter(pk=key).values_list("clerk_id", flat=True).first()
        if clerk_id is None:
            raise forms.ValidationError(_("There is no user %(key)s with a Clerk ID.") % {"key": key})
        return str(clerk_id)

    def apply(self, events: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        """Return the events that match all valid filters."""
        self.full_clean()
        values = self.cleaned_data
        states = set(values.get("state", ()))
        if UNSETTLED in states:
            states = states - {UNSETTLED} | {*WebhookEvent.UNSETTLED}
        conditions: dict[str, Any] = {
            "state__in": sorted(states),
            "event_type": values.get("event_type"),
            "error_class": values.get("error_class"),
            "clerk_user_id": values.get("user"),
            "source_address": values.get("source"),
            "received_at__gte": self._since(),
            "received_at__lt": values.get("received_at__lt"),
        }
        found = events.filter(**{name: value for name, value in conditions.items() if value})
        if error_type := values.get("error_type"):
            # Settled events have notes instead of errors. The condition also selects a partial index.
            found = found.alias(error_type=ERROR_TYPE).filter(error_type=error_type).exclude(error_class="")
        return found

    def _since(self) -> datetime | None:
        """Return the later of the two lower limits."""
        within, since = self.cleaned_data.get("within"), self.cleaned_data.get("received_at__gte")
        limits = [since] if since else []
        return max([*limits, timezone.now() - PERIODS[within][0]] if within else limits, default=None)

    def error_messages(self) -> Iterator[str]:
        for name, errors in self.errors.items():
            yield from (f"{self.fields[name].label}: {error}" for error in errors)


class EventFilter(admin.ListFilter):
    """Adapts the form to Django's admin filters."""

    title = _("events")

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        given = {name: params.pop(name) for name in EventFilterForm.base_fields if name in params}
        self.given = {name: kept for name, values in given.items() if (kept := [v for v in values if v.strip()])}
        self.form = EventFilterForm(MultiValueDict(self.given), label_suffix="")

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(EventFilterForm.base_fields)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield nothing, because the page renders the form."""
        return iter(())

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        return self.form.apply(queryset)

    def chips(self, changelist: ChangeList) -> Iterator[Chip]:
        for name, values in self.given.items():
            field = self.form.fields[name]
            # The stubs allow other types than pairs.
            choices: Any = field.choices if isinstance(field, forms.ChoiceField) else ()
            labels: dict[str, Any] = dict(choices)
            # The state filter can have several values. For other filters, the last value is used.
            for value in values if name == "state" else values[-1:]:
                kept = [other for other in values if other != value] if name == "state" else []
                yield Chip(
                    field.label or name, labels.get(value, value), changelist.get_query_string({name: kept or None})
                )

    def has_advanced_filters(self) -> bool:
        """Return whether a filter in the collapsed section is active."""
        return bool(self.given.keys() - {"state", "within"})

    def suggested_types(self) -> list[str]:
        recent = EventCount.objects.filter(hour__gte=timezone.now() - SUGGESTION_PERIOD).exclude(event_type="")
        return sorted({*recent.values_list("event_type", flat=True).distinct(), *HANDLERS})
