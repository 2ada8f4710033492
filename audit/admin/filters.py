"""Filters for the audit log. They do not query the table for distinct values."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditLog, AuditLogQuerySet

#: Preset periods by URL name.
PERIODS: dict[str, tuple[timedelta, str | Promise]] = {
    "1h": (timedelta(hours=1), _("Past hour")),
    "24h": (timedelta(hours=24), _("Past 24 hours")),
    "7d": (timedelta(days=7), _("Past 7 days")),
    "30d": (timedelta(days=30), _("Past 30 days")),
}


def parse_time(text: str) -> datetime | None:
    """Parse a time from the URL and return it in UTC, or None if the text is blank. Times without an offset are in UTC.

    Raises:
        ValueError: the text is not an ISO 8601 time between the years 2000 and 8999.
    """
    if not (text := text.strip()):
        return None
    time = datetime.fromisoformat(text)
    if not 2000 <= time.year < 9000:  # Avoids overflows when hours are added or subtracted.
        raise ValueError(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


class PeriodFilter(admin.ListFilter):
    """Filter by a preset period, or by a start and end time in UTC."""

    title = _("time")
    inputs_template = "admin/audit/auditlog/period_inputs.html"
    parameters = ("within", "since", "until")

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.errors: list[str] = []
        self.hidden: list[tuple[str, str]] = []
        self.given = {name: params.pop(name)[-1] for name in self.parameters if name in params}
        self.used_parameters.update(self.given)
        self.since = self._time("since", _("From"))
        self.until = self._time("until", _("Until"))
        if self.within not in (None, "", *PERIODS):
            self.errors.append(gettext("Choose one of the listed periods."))

    @property
    def within(self) -> str | None:
        return self.given.get("within")

    @property
    def shown_since(self) -> str:
        return self.since.strftime("%Y-%m-%dT%H:%M") if self.since else ""

    @property
    def shown_until(self) -> str:
        return self.until.strftime("%Y-%m-%dT%H:%M") if self.until else ""

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield a link for each period, and collect hidden inputs that preserve the other filters."""
        self.hidden = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name not in self.parameters
        ]
        anytime = changelist.get_query_string(remove=list(self.parameters))
        yield {"selected": not any(self.given.values()), "query_string": anytime, "display": _("Any time")}
        for name, (_period, text) in PERIODS.items():
            link = changelist.get_query_string({"within": name}, list(self.parameters))
            yield {"selected": self.within == name, "query_string": link, "display": text}

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditLog]) -> AuditLogQuerySet:
        rows = cast("AuditLogQuerySet", queryset)
        if self.within in PERIODS:
            rows = rows.written_between(timezone.now() - PERIODS[self.within][0], None)
        return rows.written_between(self.since, self.until)

    def _time(self, name: str, label: str | Promise) -> datetime | None:
        try:
            return parse_time(self.given.get(name, ""))
        except ValueError:
            message = gettext("%(label)s: enter a date and time like 2026-11-24T09:30.")
            self.errors.append(message % {"label": label})
            return None


class ActorKindFilter(admin.SimpleListFilter):
    title = _("kind of actor")
    parameter_name = "kind"
    KINDS: dict[str, tuple[str | Promise, Q]] = {
        "person": (_("User"), Q(actor__isnull=False, impersonator__isnull=True)),
        "impersonator": (_("Admin signed in as a user"), Q(impersonator__isnull=False)),
        "webhook": (_("Clerk webhook"), Q(actor__isnull=True, source=AuditLog.Source.WEBHOOK)),
        "system": (_("System"), Q(actor__isnull=True) & ~Q(source=AuditLog.Source.WEBHOOK)),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(kind, str(label)) for kind, (label, _condition) in self.KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
        kind = self.value()
        if kind is None:
            return queryset
        return queryset.filter(self.KINDS[kind][1]) if kind in self.KINDS else queryset.none()


class ValueFilter(admin.ListFilter):
    """Filter by a value that only links on other pages set. While active, the filter is shown as a chip.

    Attributes:
        name: what the chip shows. The value if it is empty.
    """

    parameter = name = ""
    is_set_by_links = True

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Model], model_admin: admin.ModelAdmin[Any]
    ) -> None:
        super().__init__(request, params, model, model_admin)
        values = params.pop(self.parameter, [""])
        self.value = values[-1].strip()
        if self.value:
            self.used_parameters[self.parameter] = self.value

    def has_output(self) -> bool:
        return bool(self.value)

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        everything = changelist.get_query_string(remove=[self.parameter])
        yield {"selected": False, "query_string": everything, "display": _("All")}
        yield {"selected": True, "query_string": changelist.get_query_string(), "display": self.name or self.value}

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditLog]) -> QuerySet[AuditLog]:
        if not self.value:
            return queryset
        condition = self.condition(self.value)
        return queryset.none() if condition is None else queryset.filter(condition)

    def condition(self, value: str) -> Q | None:
        """Return the condition for a value, or None if no row can match."""
        raise NotImplementedError


def _value_filter(parameter: str, title: str | Promise, condition: Callable[[str], Q | None]) -> type[admin.ListFilter]:
    attributes = {"title": title, "parameter": parameter, "condition": staticmethod(condition)}
    return type(f"{parameter.title()}Filter", (ValueFilter,), attributes)


def parse_user_id(value: str) -> int | None:
    """Return a user id, or None if the text is not a valid bigint."""
    return int(value) if value.isascii() and value.isdecimal() and int(value) < 2**63 else None


def _user_condition(column: str, value: str) -> Q | None:
    key = parse_user_id(value)
    return None if key is None else Q(**{column: key})


TargetFilter = _value_filter("target", _("changed object"), lambda value: Q(target=value))
ActorFilter = _value_filter("actor", _("actor"), lambda value: _user_condition("actor_id", value))
SubjectFilter = _value_filter("subject", _("about user"), lambda value: _user_condition("subject_id", value))
DeliveryFilter = _value_filter("delivery", _("delivery"), lambda value: Q(delivery=value))
