"""Failures, events, jobs and users of an error group. Every query reads a limited number of rows."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from core.times import start_of_hour
from webhooks.jobs.lists import with_state
from webhooks.jobs.people import add_people
from webhooks.models import Attempt, ErrorGroup, Job, JobFailure, WebhookEvent
from webhooks.monitoring.dashboard import charts
from webhooks.monitoring.dashboard.counts import column_starts

DAY = timedelta(days=1)
#: Maximum counts of failures for the chart, for a group, and for a row of the list.
MAX_CHARTED, MAX_COUNTED, MAX_LISTED_COUNT = 100_000, 10_000, 1_000
#: Number of newest failures whose events, jobs and users are collected, and number of rows shown.
MAX_COLLECTED, MAX_SHOWN = 1_000, 20
RECENT_COUNTS = """
SELECT wanted.pk, (
    SELECT count(*) FROM (
        SELECT FROM webhooks_attempt WHERE error_group_id = wanted.pk AND started_at >= %(since)s LIMIT %(limit)s
    ) AS attempts
) + (
    SELECT count(*) FROM (
        SELECT FROM webhooks_jobfailure WHERE group_id = wanted.pk AND failed_at >= %(since)s LIMIT %(limit)s
    ) AS failures
) FROM unnest(%(ids)s::bigint[]) AS wanted (pk)
"""


@dataclass(frozen=True, slots=True)
class Affected:
    """Events, jobs and users affected by an error group.

    Attributes:
        failing: events that still fail with this error. The count stops at MAX_COUNTED.
        events, jobs: the newest affected events and jobs.
        stopped_jobs: the number of collected jobs that failed with this error.
        retrying_jobs: the number of collected jobs that failed with this error and are being retried.
        people: the users of the collected events and jobs.
        is_more: whether there are more failures than were collected.
    """

    failing: int
    events: list[WebhookEvent]
    jobs: list[Job]
    stopped_jobs: int
    retrying_jobs: int
    people: list[User]
    is_more: bool


def affected(group: ErrorGroup) -> Affected:
    """Collect the events, jobs and users of a group's newest failures with a fixed number of queries."""
    event_ids = _newest_ids(Attempt.objects.filter(error_group=group).order_by("-started_at"), "event_id")
    job_ids = _newest_ids(JobFailure.objects.filter(group=group).order_by("-failed_at"), "job_id")
    failing = WebhookEvent.objects.filter(error_group=group).order_by()[: MAX_COUNTED + 1].count()
    events = WebhookEvent.objects.filter(pk__in=event_ids).order_by("-received_at").defer("payload", "headers")
    clerk_ids = events.values_list("clerk_user_id", flat=True) if event_ids else []
    jobs = list(with_state(Job.objects.filter(pk__in=job_ids)).order_by("-pk")) if job_ids else []
    add_people(jobs)
    people = {user.pk: user for user in User.objects.filter(clerk_id__in={*clerk_ids} - {None})}
    people |= {job.person.pk: job.person for job in jobs if job.person}
    return Affected(
        failing=failing,
        events=list(events[:MAX_SHOWN]) if event_ids else [],
        jobs=jobs[:MAX_SHOWN],
        stopped_jobs=sum(job.status == "failed" for job in jobs),
        retrying_jobs=sum(job.status in ("todo", "doing") and job.attempts > 0 for job in jobs),
        people=list(people.values()),
        is_more=max(len(event_ids), len(job_ids)) >= MAX_COLLECTED,
    )


def last_failure(group: ErrorGroup) -> Attempt | JobFailure | None:
    """Return the newest failure, which contains the error message and traceback."""
    attempt = Attempt.objects.filter(error_group=group).order_by("-started_at").first()
    failure = JobFailure.objects.filter(group=group).order_by("-failed_at").first()
    if attempt and failure:
        return failure if failure.failed_at > attempt.started_at else attempt
    return attempt or failure


def last_seen(group: ErrorGroup, newest: Attempt | JobFailure | None) -> datetime:
    """Return when the error last occurred. The group's own time is updated at most once a minute."""
    if newest is None:
        return group.last_at
    return max(group.last_at, newest.failed_at if isinstance(newest, JobFailure) else newest.started_at)


def chart(group: ErrorGroup, now: datetime) -> charts.Chart:
    """Return the number of failures for each of the last 24 hours."""
    starts = column_starts(now, "24h")
    times = [
        (_("Events"), Attempt.objects.filter(error_group=group, started_at__gte=starts[0]), "started_at"),
        (_("Jobs"), JobFailure.objects.filter(group=group, failed_at__gte=starts[0]), "failed_at"),
    ]
    counted: list[tuple[datetime, str, int]] = []
    for name, failures, column in times:
        newest = failures.order_by(f"-{column}").values_list(column, flat=True)[:MAX_CHARTED]
        hours = Counter(start_of_hour(at) for at in newest)
        counted += [(hour, name, number) for hour, number in hours.items()]
    return charts.stack_columns(starts, counted)


def count(group: ErrorGroup) -> int:
    """Return the total number of a group's failures. Counting stops above MAX_COUNTED."""
    counted = [
        failures.order_by()[: MAX_COUNTED + 1].count()
        for failures in (Attempt.objects.filter(error_group=group), JobFailure.objects.filter(group=group))
    ]
    return min(sum(counted), MAX_COUNTED + 1)


def recent_counts(ids: Collection[int], now: datetime) -> dict[int, int]:
    """Return each group's failures in the last 24 hours. Counting stops above MAX_LISTED_COUNT."""
    if not ids:
        return {}
    parameters: dict[str, Any] = {"ids": list(ids), "since": now - DAY, "limit": MAX_LISTED_COUNT + 1}
    with connection.cursor() as cursor:
        cursor.execute(RECENT_COUNTS, parameters)
        return dict(cursor.fetchall())


def _newest_ids(failures: QuerySet[Any], column: str) -> set[int]:
    return set(failures.values_list(column, flat=True)[:MAX_COLLECTED])
