"""Filters for the job list."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.jobs import descriptions
from webhooks.admin.lists.filters import (
    ErrorGroupField,
    FilterForm,
    FormFilter,
    StatesField,
    UserField,
    UTCDateTimeField,
    WithinField,
)
from webhooks.jobs import lists
from webhooks.jobs.people import jobs_of
from webhooks.models import Job, JobFailure
from webhooks.models.jobs import JobState


def task_choices() -> list[tuple[str, str]]:
    tasks = sorted((str(task.title), name) for name, task in descriptions.items())
    return [("", str(_("Any job"))), *((name, title) for title, name in tasks)]


class JobFilterForm(FilterForm):
    state = StatesField(choices=JobState.choices, label=_("State"))
    task = forms.ChoiceField(
        choices=task_choices, label=_("Job"), error_messages={"invalid_choice": _("There is no job “%(value)s”.")}
    )
    within = WithinField(label=_("Queued"))
    user = UserField()
    error_group = ErrorGroupField()
    queued_at__gte = UTCDateTimeField(label=_("Queued from (UTC)"))
    queued_at__lt = UTCDateTimeField(label=_("Queued before (UTC)"))
    retried_at__gte = UTCDateTimeField(label=_("Retried from (UTC)"))
    retried_at__lt = UTCDateTimeField(label=_("Retried before (UTC)"))
    overdue = forms.ChoiceField(
        choices=[("", _("Any time")), ("1", _("More than a minute late"))],
        label=_("Start"),
        error_messages={"invalid_choice": _("“%(value)s” is not a start. Use 1 for overdue jobs.")},
    )

    def apply(self, rows: QuerySet[Job]) -> QuerySet[Job]:
        self.full_clean()
        values = self.cleaned_data
        conditions: dict[str, Any] = {"state__in": sorted(values.get("state", ())), "task_name": values.get("task")}
        found = rows.filter(**{name: value for name, value in conditions.items() if value})
        if clerk_id := values.get("user"):
            found = found.filter(jobs_of(clerk_id))
        if group := values.get("error_group"):
            found = found.filter(pk__in=JobFailure.objects.filter(group=group).values("job_id"))
        found = lists.retried_between(found, values.get("retried_at__gte"), values.get("retried_at__lt"))
        if values.get("overdue"):
            found = lists.overdue(found, timezone.now())
        return lists.queued_between(found, self.since("within", "queued_at__gte"), values.get("queued_at__lt"))


def retried_since(start: datetime) -> dict[str, str]:
    """Return the filters for jobs that were retried between `start` and now, in whole seconds like the inputs."""
    end = lists.database_time() + timedelta(seconds=1)
    times = {"retried_at__gte": start, "retried_at__lt": end}
    return {name: time.isoformat(timespec="seconds") for name, time in times.items()}


class JobFilter(FormFilter):
    title = cast(str, _("jobs"))
    form_class = JobFilterForm
    basic = frozenset({"state", "within", "task"})
