"""Filter and search jobs."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from procrastinate.contrib.django.models import ProcrastinateEvent

from core.jobs import descriptions
from webhooks.jobs.people import jobs_of
from webhooks.jobs.states import STATE
from webhooks.models import Job, WebhookEvent

#: Maximum time between the start of a transaction, which is the queueing time of its jobs, and the insertion of a job.
MAX_TRANSACTION = timedelta(minutes=10)
OVERDUE_AFTER = timedelta(minutes=1)


def database_time() -> datetime:
    """Return the current time of the database's clock, which sets the time of a retry."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


def with_state(jobs: QuerySet[Job]) -> QuerySet[Job]:
    return jobs.annotate(state=STATE)  # type: ignore[no-redef]  # declared for the admin


def queued_between(jobs: QuerySet[Job], since: datetime | None, until: datetime | None) -> QuerySet[Job]:
    """Return jobs that were queued from `since` (inclusive) to `until` (exclusive).

    IDs roughly follow queueing times, so the query also limits the IDs. Otherwise, PostgreSQL would read all newer jobs
    first.
    """
    if not (since or until):
        return jobs
    queued = ProcrastinateEvent.objects.filter(type="deferred")
    times = {name: time for name, time in (("at__gte", since), ("at__lt", until)) if time}
    found = jobs.filter(Exists(queued.filter(job=OuterRef("pk"), **times)))
    if since:
        before = queued.filter(at__lt=since - MAX_TRANSACTION).order_by("-at").values_list("job_id", flat=True).first()
        found = found if before is None else found.filter(pk__gt=before)
    if until:
        after = queued.filter(at__gte=until + MAX_TRANSACTION).order_by("at").values_list("job_id", flat=True).first()
        found = found if after is None else found.filter(pk__lt=after)
    return found


def retried_between(jobs: QuerySet[Job], since: datetime | None, until: datetime | None) -> QuerySet[Job]:
    """Return jobs with an attempt that was due from `since` (inclusive) to `until` (exclusive).

    A retry by an admin is due at once. The time of the job itself is not used, because it changes if the job fails again.
    """
    times = {name: time for name, time in (("at__gte", since), ("at__lt", until)) if time}
    scheduled = ProcrastinateEvent.objects.filter(type="scheduled", **times)
    return jobs.filter(pk__in=scheduled.values("job_id"), attempts__gt=0) if times else jobs


def overdue(jobs: QuerySet[Job], now: datetime) -> QuerySet[Job]:
    """Return jobs that should have started at least a minute ago.

    Jobs without a scheduled time should start immediately, so the time of their `deferred` event is used.
    """
    due = now - OVERDUE_AFTER
    queued = ProcrastinateEvent.objects.filter(job=OuterRef("pk"), type="deferred", at__lte=due)
    return jobs.filter(Q(scheduled_at__lte=due) | Q(Exists(queued), scheduled_at=None), status="todo")


def search(jobs: QuerySet[Job], term: str, clerk_ids: list[str]) -> QuerySet[Job]:
    """Return the jobs that match an ID, a user, an event or a word in the title.

    Args:
        clerk_ids: the Clerk IDs of the users with the searched email address.
    """
    if clerk_ids:
        return jobs.filter(jobs_of(clerk_ids[0]))
    if term.isascii() and term.isdecimal():
        return jobs.filter(pk=int(term)) if len(term) < 19 else jobs.none()
    if term.startswith("user_"):
        return jobs.filter(jobs_of(term))
    if term.startswith("msg_"):
        events = WebhookEvent.objects.filter(svix_id=term).values_list("pk", flat=True)
        conditions = [Q(args__contains={"event_id": pk}) for pk in events]
        return jobs.filter(conditions[0]) if conditions else jobs.none()
    return jobs.filter(task_name__in=_tasks_with(term.lower()))


def _tasks_with(word: str) -> list[str]:
    return [name for name, task in descriptions.items() if word in str(task.title).lower() or word in name]
