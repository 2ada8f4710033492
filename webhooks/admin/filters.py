"""What the list of events can be narrowed to. What cannot be understood is said, and narrows nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.admin.filters import PERIODS, parse_time, parse_user_id
from webhooks.inbox.handlers import HANDLERS
from webhooks.models import EventCount, WebhookEvent

State = WebhookEvent.State
#: In the address: failed and dead.
UNSETTLED = "unsettled"
#: The event types to choose from are those of so long.
LATELY = timedelta(days=30)


class Chip(NamedTuple):
    """One thing that the list is narrowed to, and the address of the list without it."""

    label: Any
    value: Any
    without: str


class MomentInput(forms.DateTimeInput):
    """A field for a time to the second, which has whatever zone it was given in as UTC."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str:
        """Return the time as browsers want it."""
        try:
            time = parse_time(value or "")
        except ValueError:
            return ""
        return time.strftime("%Y-%m-%dT%H:%M:%S") if time else ""


class MomentField(forms.Field):
    """A time in UTC, or one that says its zone."""

    widget = MomentInput(attrs={"step": "1"})
    default_error_messages = {"invalid": _("Write a time such as 2026-11-24T09:30.")}

    def to_python(self, value: Any) -> datetime | None:
        """Return the time."""
        try:
            return parse_time(value or "")
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None


class EventFilterForm(forms.Form):
    """The filters of the list. Their names are those of the columns where that is enough, so that links can be guessed."""

    state = forms.MultipleChoiceField(
        choices=[*State.choices, (UNSETTLED, _("Unsettled"))],
        label=_("State"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no state “%(value)s”.")},
    )
    within = forms.ChoiceField(
        choices=[("", _("Any time")), *((name, words) for name, (_span, words) in PERIODS.items())],
        label=_("Received"),
        error_messages={"invalid_choice": _("There is no span of time “%(value)s”.")},
    )
    event_type = forms.CharField(
        max_length=100, label=_("Event type"), widget=forms.TextInput(attrs={"list": "event-types"})
    )
    error_class = forms.ChoiceField(  # type: ignore[assignment]  # the form's own name for how errors are listed
        choices=[("", _("Any or none")), *WebhookEvent.ErrorClass.choices],
        label=_("Error class"),
        error_messages={"invalid_choice": _("There is no error class “%(value)s”.")},
    )
    user = forms.CharField(max_length=64, label=_("User: Clerk id, or number here"))
    source = forms.GenericIPAddressField(label=_("Source address"))
    received_at__gte = MomentField(label=_("Received from (UTC)"))
    received_at__lt = MomentField(label=_("Received until (UTC)"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def clean_user(self) -> str:
        """Return the Clerk id."""
        given: str = self.cleaned_data["user"]
        key = parse_user_id(given)
        if not given or key is None:
            return given
        clerk_id = User.objects.filter(pk=key).values_list("clerk_id", flat=True).first()
        if clerk_id is None:
            raise forms.ValidationError(_("There is no user %(key)s here who has a Clerk id.") % {"key": key})
        return str(clerk_id)

    def narrow(self, events: QuerySet[WebhookEvent]) -> QuerySet[WebhookEvent]:
        """Return the events that meet whatever could be understood."""
        self.full_clean()
        found = self.cleaned_data
        states = set(found.get("state", ()))
        if UNSETTLED in states:
            states = states - {UNSETTLED} | {*WebhookEvent.UNSETTLED}
        conditions: dict[str, Any] = {
            "state__in": sorted(states),
            "event_type": found.get("event_type"),
            "error_class": found.get("error_class"),
            "clerk_user_id": found.get("user"),
            "source_address": found.get("source"),
            "received_at__gte": self._since(),
            "received_at__lt": found.get("received_at__lt"),
        }
        return events.filter(**{name: value for name, value in conditions.items() if value})

    def _since(self) -> datetime | None:
        """Return the later one of both beginnings."""
        within, since = self.cleaned_data.get("within"), self.cleaned_data.get("received_at__gte")
        begins = [since] if since else []
        return max([*begins, timezone.now() - PERIODS[within][0]] if within else begins, default=None)

    def complaints(self) -> Iterator[str]:
        """Yield a sentence for everything that could not be understood."""
        for name, errors in self.errors.items():
            yield from (f"{self.fields[name].label}: {error}" for error in errors)


class EventFilter(admin.ListFilter):
    """The form as Django's admin wants filters to be."""

    title = _("events")

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        given = {name: params.pop(name) for name in EventFilterForm.base_fields if name in params}
        self.given = {name: kept for name, values in given.items() if (kept := [one for one in values if one.strip()])}
        self.form = EventFilterForm(MultiValueDict(self.given), label_suffix="")

    def has_output(self) -> bool:
        """Return that it is always there."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return what it reads in the address."""
        return list(EventFilterForm.base_fields)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield nothing: the page shows the form instead."""
        return iter(())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the events that it leaves."""
        return self.form.narrow(queryset)

    def chips(self, changelist: ChangeList) -> Iterator[Chip]:
        """Yield everything that is set, with a way to take it back."""
        for name, values in self.given.items():
            field = self.form.fields[name]
            words: dict[Any, Any] = dict(field.choices) if isinstance(field, forms.ChoiceField) else {}  # type: ignore[arg-type]
            # All of a state's values count, and of everything else the last one.
            for value in values if name == "state" else values[-1:]:
                kept = [other for other in values if other != value] if name == "state" else []
                yield Chip(field.label, words.get(value, value), changelist.get_query_string({name: kept or None}))

    def is_rare(self) -> bool:
        """Return whether something is set that the page folds away otherwise."""
        return bool(self.given.keys() - {"state", "within"})

    def types(self) -> list[str]:
        """Return the event types that came lately, or that something is done about."""
        lately = EventCount.objects.filter(hour__gte=timezone.now() - LATELY).exclude(event_type="")
        return sorted({*lately.values_list("event_type", flat=True).distinct(), *HANDLERS})
