"""The most frequent errors behind an alert, grouped by event type, error class and error type."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

from django.db.models import Count, Exists, Max, Min, OuterRef, Q
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.text import Truncator
from procrastinate.contrib.django.models import ProcrastinateJob

from core.times import HOUR, start_of_hour
from webhooks.models import Alert, ErrorGroup, JobFailure, WebhookEvent
from webhooks.models.events import ERROR_TYPE

#: Number of groups per alert, and of the newest events that are grouped.
MAX_GROUPS, MAX_GROUPED = 3, 10_000
#: Length of a job's error in a notification.
MAX_ERROR_LENGTH = 200
SECOND = timedelta(seconds=1)


class FrequentError(NamedTuple):
    """Events with the same type and error. `state` is a value of the list's state filter."""

    state: str
    event_type: str
    error_class: str
    error_type: str
    events: int
    first_at: datetime
    last_at: datetime
    error_group: int | None = None  # Alerts created before this field existed do not have it.

    def as_json(self) -> dict[str, Any]:
        return self._asdict() | {"first_at": self.first_at.isoformat(), "last_at": self.last_at.isoformat()}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Self:
        times = {name: parse_datetime(facts[name]) for name in ("first_at", "last_at")}
        return cls(**facts | times)

    @property
    def list_url(self) -> str:
        return self._url("changelist")

    @property
    def replay_url(self) -> str:
        """The URL of the form that replays these events, or "" if the events have no type to filter by."""
        return self._url("repair") if self.event_type else ""

    @property
    def page_url(self) -> str:
        """The URL of the error group, or of the filtered event list if there is no group."""
        known = self.error_group is not None
        return reverse("admin:webhooks_errorgroup_change", args=[self.error_group]) if known else self.list_url

    def _url(self, view: str) -> str:
        query = {
            "state": self.state,
            "event_type": self.event_type,
            "error_class": self.error_class,
            "error_type": self.error_type,
            "error_group": str(self.error_group or ""),
            "received_at__gte": self.first_at.isoformat(timespec="seconds"),
            "received_at__lt": (self.last_at + SECOND).isoformat(timespec="seconds"),
        }
        filters = urlencode({name: value for name, value in query.items() if value})
        return f"{reverse(f'admin:webhooks_webhookevent_{view}')}?{filters}"


def alert_details(rule: Alert.Rule, now: datetime) -> dict[str, Any]:
    """Return a rule's error groups or latest error as alert details, or an empty dict for rules without errors."""
    if rule == Alert.Rule.JOBS:
        return {"latest_error": latest_error() or None}
    filters: dict[Alert.Rule, tuple[str, Q]] = {
        Alert.Rule.FAILURE_RATE: ("unsettled", is_recent_or_failed(now)),
        Alert.Rule.DEAD_EVENTS: ("dead", Q(state=WebhookEvent.State.DEAD)),
        Alert.Rule.OLDEST_UNSETTLED: ("unsettled", Q()),
    }
    if rule not in filters:
        return {}
    state, condition = filters[rule]
    return {"groups": [group.as_json() for group in _top_groups(state, condition)]}


def latest_error() -> str:
    """Return the latest error of the jobs that failed or are being retried, without values, or ""."""
    unfinished = Q(status="failed") | Q(status__in=["todo", "doing"], attempts__gt=0)
    jobs = ProcrastinateJob.objects.filter(unfinished, pk=OuterRef("job_id"))
    failures = JobFailure.objects.filter(Exists(jobs)).order_by("-pk")
    return Truncator(failures.values_list("error", flat=True).first() or "").chars(MAX_ERROR_LENGTH)


def is_recent_or_failed(now: datetime) -> Q:
    """Select the events of the current and previous hour, and older events that are being retried."""
    return Q(received_at__gte=start_of_hour(now - HOUR)) | Q(state=WebhookEvent.State.FAILED)


def groups_of(alert: Alert) -> list[FrequentError]:
    return [FrequentError.from_json(facts) for facts in alert.facts.get("groups", [])]


def program_errors(errors: Iterable[FrequentError]) -> set[int]:
    """Return the IDs of the error groups that are caused by our code."""
    ids = [error.error_group for error in errors if error.error_group is not None]
    return {group.pk for group in ErrorGroup.objects.filter(pk__in=ids) if group.is_program_error} if ids else set()


def _top_groups(state: str, condition: Q) -> Iterator[FrequentError]:
    newest = WebhookEvent.objects.unsettled().filter(condition).order_by("-received_at").values("pk")[:MAX_GROUPED]
    events = WebhookEvent.objects.filter(pk__in=newest).order_by()
    grouped = events.values_list("event_type", "error_class", ERROR_TYPE, "error_group").annotate(
        events=Count("pk"), first_at=Min("received_at"), last_at=Max("received_at")
    )
    for row in grouped.order_by("-events", "event_type")[:MAX_GROUPS]:
        event_type, error_class, error_type, group, number, first_at, last_at = row
        yield FrequentError(state, event_type, error_class, error_type, number, first_at, last_at, group)
