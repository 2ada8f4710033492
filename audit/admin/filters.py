"""Filters of the audit log. None of them asks the table which values there are."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import AuditLog, AuditLogQuerySet

#: How far back, in the address and in words.
SPANS: dict[str, tuple[timedelta, str | Promise]] = {
    "1h": (timedelta(hours=1), _("Past hour")),
    "24h": (timedelta(hours=24), _("Past 24 hours")),
    "7d": (timedelta(days=7), _("Past 7 days")),
    "30d": (timedelta(days=30), _("Past 30 days")),
}


def moment(text: str) -> datetime | None:
    """Return a time of an address, in UTC; None if there is none.

    Raises:
        ValueError: it cannot be read, or is out of reason.
    """
    if not (text := text.strip()):
        return None
    time = datetime.fromisoformat(text)
    if not 2000 <= time.year < 9000:  # others leave no room for the hours around them
        raise ValueError(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


class PeriodFilter(admin.ListFilter):
    """From when until when, in UTC: one of a few spans, or two times."""

    title = _("time")
    template = "admin/audit/auditlog/period_filter.html"
    parameters = ("within", "since", "until")

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.errors: list[str] = []
        self.hidden: list[tuple[str, str]] = []
        self.given = {name: params.pop(name)[-1] for name in self.parameters if name in params}
        self.used_parameters.update(self.given)
        self.since = self._time("since", _("From"))
        self.until = self._time("until", _("Until"))
        if self.within not in (None, "", *SPANS):
            self.errors.append(gettext("There is no such span of time."))

    @property
    def within(self) -> str | None:
        """Return the chosen span."""
        return self.given.get("within")

    @property
    def shown_since(self) -> str:
        """Return the time as a field of a form takes it."""
        return self.since.strftime("%Y-%m-%dT%H:%M") if self.since else ""

    @property
    def shown_until(self) -> str:
        """See above."""
        return self.until.strftime("%Y-%m-%dT%H:%M") if self.until else ""

    def has_output(self) -> bool:
        """Return that it is always there."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return what it reads in the address."""
        return list(self.parameters)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        """Yield a link for each span, and note what the form must keep of the address."""
        self.hidden = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name not in self.parameters
        ]
        anytime = changelist.get_query_string(remove=list(self.parameters))
        yield {"selected": not any(self.given.values()), "query_string": anytime, "display": _("Any time")}
        for name, (_span, text) in SPANS.items():
            link = changelist.get_query_string({"within": name}, list(self.parameters))
            yield {"selected": self.within == name, "query_string": link, "display": text}

    def queryset(self, request: HttpRequest, queryset: AuditLogQuerySet) -> AuditLogQuerySet:  # type: ignore[override]
        """Return the rows of that time; what cannot be read does not count, and is said on the page."""
        if self.within in SPANS:
            queryset = queryset.written_between(timezone.now() - SPANS[self.within][0], None)
        return queryset.written_between(self.since, self.until)

    def _time(self, name: str, label: str | Promise) -> datetime | None:
        try:
            return moment(self.given.get(name, ""))
        except ValueError:
            message = gettext("%(label)s: write a time such as 2026-11-24T09:30.")
            self.errors.append(message % {"label": label})
            return None


class ActorKindFilter(admin.SimpleListFilter):
    """What kind of actor it was."""

    title = _("who acted")
    parameter_name = "kind"
    KINDS: dict[str, tuple[str | Promise, Q]] = {
        "person": (_("A person"), Q(actor__isnull=False, impersonator__isnull=True)),
        "impersonator": (_("An operator in a person's place"), Q(impersonator__isnull=False)),
        "webhook": (_("Clerk, by a webhook"), Q(actor__isnull=True, source=AuditLog.Source.WEBHOOK)),
        "system": (_("The system itself"), Q(actor__isnull=True) & ~Q(source=AuditLog.Source.WEBHOOK)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the kinds."""
        return [(kind, label) for kind, (label, _condition) in self.KINDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of that kind; of one that does not exist there are none."""
        kind = self.value()
        if kind is None:
            return queryset
        return queryset.filter(self.KINDS[kind][1]) if kind in self.KINDS else queryset.none()


class _OneFilter(admin.ListFilter):
    """Rows with one value, which a link brought; the panel shows it, so that it can be taken away."""

    parameter = ""

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        values = params.pop(self.parameter, [""])
        self.wanted = values[-1].strip()
        if self.wanted:
            self.used_parameters[self.parameter] = self.wanted

    def has_output(self) -> bool:
        return bool(self.wanted)

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        everything = changelist.get_query_string(remove=[self.parameter])
        yield {"selected": False, "query_string": everything, "display": _("All")}
        yield {"selected": True, "query_string": changelist.get_query_string(), "display": self.wanted}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.wanted:
            return queryset
        condition = self.condition(self.wanted)
        return queryset.none() if condition is None else queryset.filter(condition)

    def condition(self, value: str) -> Q | None:
        """Return what a row must meet; None if none can."""
        raise NotImplementedError


def _one(parameter: str, title: str | Promise, condition: Callable[[str], Q | None]) -> type[admin.ListFilter]:
    attributes = {"title": title, "parameter": parameter, "condition": staticmethod(condition)}
    return type(f"{parameter.title()}Filter", (_OneFilter,), attributes)


def person_id(value: str) -> int | None:
    """Return the key of a person, or None if it cannot be one."""
    return int(value) if value.isascii() and value.isdecimal() and int(value) < 2**63 else None


def _person(column: str, value: str) -> Q | None:
    key = person_id(value)
    return None if key is None else Q(**{column: key})


TargetFilter = _one("target", _("changed object"), lambda value: Q(target=value))
ActorFilter = _one("actor", _("actor"), lambda value: _person("actor_id", value))
SubjectFilter = _one("subject", _("person it is about"), lambda value: _person("subject_id", value))
DeliveryFilter = _one("delivery", _("delivery"), lambda value: Q(delivery=value))
