"""Base classes for lists with a filter form. Invalid values are reported and ignored."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from audit.admin.filters import PERIODS, parse_time, parse_user_id
from core.admin.filter_groups import Chip
from webhooks.models import ErrorGroup, Replay

WITHIN_CHOICES = [("", _("Any time")), *((name, label) for name, (_span, label) in PERIODS.items())]


class UTCDateTimeInput(forms.DateTimeInput):
    """A datetime input with seconds precision. It converts a time zone in the URL to UTC."""

    input_type = "datetime-local"

    def format_value(self, value: Any) -> str:
        try:
            time = parse_time(value or "")
        except ValueError:
            return ""
        return time.strftime("%Y-%m-%dT%H:%M:%S") if time else ""


class DescribedField(forms.Field):
    """A field whose chip shows a name instead of the value in the URL.

    Attributes:
        chip_label: the label of the chip. If it is empty, the field's label is used.
        is_personal: whether the name is personal data.
    """

    chip_label: str | Promise = ""
    is_personal = False

    def describe(self, value: Any) -> str:
        """Return the name of a cleaned value."""
        raise NotImplementedError


class UTCDateTimeField(DescribedField):
    """A datetime with an optional time zone, which defaults to UTC."""

    widget = UTCDateTimeInput(attrs={"step": "1"})
    default_error_messages = {"invalid": _("Enter a time such as 2026-11-24T09:30.")}

    def to_python(self, value: Any) -> datetime | None:
        try:
            return parse_time(value or "")
        except ValueError:
            raise forms.ValidationError(self.error_messages["invalid"]) from None

    def describe(self, value: datetime) -> str:
        return date_format(value, "j M Y H:i:s")


class StatesField(forms.MultipleChoiceField):
    """The states to show, as chips."""

    widget = forms.CheckboxSelectMultiple
    default_error_messages = {"invalid_choice": _("There is no state “%(value)s”.")}


class WithinField(forms.ChoiceField):
    """A preset period that ends now."""

    default_error_messages = {"invalid_choice": _("There is no time range “%(value)s”.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=WITHIN_CHOICES, **kwargs)


class ErrorGroupField(forms.IntegerField, DescribedField):
    """The ID of an error group."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, label=_("Error group"), **kwargs)

    def describe(self, value: int) -> str:
        group = ErrorGroup.objects.filter(pk=value).first()
        return str(group or value)


class ReplayField(forms.IntegerField, DescribedField):
    """The ID of a replay."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, label=_("Replay"), **kwargs)

    def describe(self, value: int) -> str:
        replay = Replay.objects.filter(pk=value).first()
        return str(replay or value)


class UserField(forms.CharField, DescribedField):
    """A Clerk ID or local ID. Local IDs are converted to Clerk IDs."""

    chip_label = _("User")
    is_personal = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, label=_("User: Clerk ID or local ID"), **kwargs)

    def clean(self, value: Any) -> str:
        given: str = super().clean(value)
        key = parse_user_id(given)
        if not given or key is None:
            return given
        clerk_id = User.objects.filter(pk=key).values_list("clerk_id", flat=True).first()
        if clerk_id is None:
            raise forms.ValidationError(_("There is no user %(key)s with a Clerk ID.") % {"key": key})
        return str(clerk_id)

    def describe(self, value: str) -> str:
        user = User.objects.filter(clerk_id=value).only("clerk_id", "name", "username", "login").first()
        return str(user or value)


class FilterForm(forms.Form):
    """Optional filters for a list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = False

    def apply(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that match all valid filters."""
        raise NotImplementedError

    def since(self, within: str, since: str) -> datetime | None:
        """Return the later of the period's start and an explicit start time.

        Args:
            within, since: the names of the fields.
        """
        period, start = self.cleaned_data.get(within), self.cleaned_data.get(since)
        limits = [start] if start else []
        return max([*limits, timezone.now() - PERIODS[period][0]] if period else limits, default=None)

    def error_messages(self) -> Iterator[str]:
        for name, errors in self.errors.items():
            yield from (f"{self.fields[name].label}: {error}" for error in errors)


class FormFilter(admin.ListFilter):
    """Adapts a form to Django's admin filters.

    Attributes:
        form_class: the filter form. Only its `state` field can have several values.
        basic: fields that are always visible.
    """

    form_class: ClassVar[type[FilterForm]]
    basic: ClassVar[frozenset[str]] = frozenset({"state", "within"})

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        given = {name: params.pop(name) for name in self.form_class.base_fields if name in params}
        self.given = {name: kept for name, values in given.items() if (kept := [v for v in values if v.strip()])}
        self.form = self.form_class(MultiValueDict(self.given), label_suffix="")

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.form_class.base_fields)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield nothing, because the page renders the form."""
        return iter(())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.form.apply(queryset)

    def chips(self, changelist: ChangeList) -> Iterator[Chip]:
        for name, values in self.given.items():
            field = self.form.fields[name]
            # The type stubs also allow choices that are not pairs.
            choices: Any = field.choices if isinstance(field, forms.ChoiceField) else ()
            labels: dict[str, Any] = dict(choices)
            # Only the state filter accepts several values. Other filters use the last one.
            for value in values if name == "state" else values[-1:]:
                kept = [other for other in values if other != value] if name == "state" else []
                remove_url = changelist.get_query_string({name: kept or None})
                if isinstance(field, DescribedField) and self.form.cleaned_data.get(name):
                    yield _described_chip(field, self.form.cleaned_data[name], remove_url)
                else:
                    yield Chip(field.label or name, labels.get(value, value), remove_url)

    def has_advanced_filters(self) -> bool:
        """Return whether a filter in the collapsed section is active."""
        return bool(self.given.keys() - self.basic)


def _described_chip(field: DescribedField, value: Any, remove_url: str) -> Chip:
    stored = str(value) if field.is_personal else ""
    return Chip(field.chip_label or field.label or "", field.describe(value), remove_url, stored)
