"""The history of a job: when it was queued, each attempt with its error, and what happens next."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from procrastinate.contrib.django.models import ProcrastinateEvent

from webhooks.jobs.people import add_people
from webhooks.models import Job, JobFailure
from webhooks.models.jobs import JobState

#: Maximum number of entries on a job's page.
MAX_ENTRIES = 200
#: The label and severity of each Procrastinate event that starts an entry or ends an attempt.
LABELS = {
    "deferred": (gettext_lazy("Queued"), "neutral"),
    "started": (gettext_lazy("Running"), "neutral"),
    "deferred_for_retry": (gettext_lazy("Failed, will be retried"), "attention"),
    "failed": (gettext_lazy("Failed"), "bad"),
    "succeeded": (gettext_lazy("Finished"), "good"),
    "cancelled": (gettext_lazy("Cancelled"), "neutral"),
    "aborted": (gettext_lazy("Cancelled"), "neutral"),
    "retried": (gettext_lazy("Retried by an operator"), "neutral"),
}
ENDS = ("deferred_for_retry", "failed", "succeeded", "aborted")


@dataclass(slots=True)
class Entry:
    """An attempt or another step in a job's history. `attempt` is the attempt's number, or 0."""

    at: datetime
    label: str | Promise
    level: str
    attempt: int = 0
    ended_at: datetime | None = None
    failure: JobFailure | None = None

    @property
    def icon(self) -> str:
        return "received" if self.level == "neutral" else self.level

    @property
    def seconds(self) -> float | None:
        return (self.ended_at - self.at).total_seconds() if self.ended_at else None


def history(job: Job) -> list[Entry]:
    """Return a job's history, oldest first, in two queries."""
    events = list(ProcrastinateEvent.objects.filter(job_id=job.pk).order_by("-pk")[:MAX_ENTRIES])[::-1]
    failures = list(JobFailure.objects.filter(job_id=job.pk).select_related("group").order_by("-pk")[:MAX_ENTRIES])
    entries: list[Entry] = []
    running: Entry | None = None
    attempts = 0
    for event in events:
        if event.type not in LABELS or event.at is None:
            continue
        label, level = LABELS[event.type]
        if running and event.type in ENDS:
            running.label, running.level, running.ended_at = label, level, event.at
            running = None
            continue
        entry = Entry(event.at, label, level)
        entries.append(entry)
        if event.type == "started":
            attempts += 1
            entry.attempt, running = attempts, entry
    _add_failures(entries, failures)
    return entries


def add_details(jobs: Collection[Job]) -> None:
    """Set the queueing time, latest failure and user of each job, with a fixed number of queries."""
    ids = [job.pk for job in jobs]
    queued = ProcrastinateEvent.objects.filter(job_id__in=ids, type="deferred").values_list("job_id", "at")
    queued_at = dict(queued) if ids else {}
    failures = JobFailure.objects.filter(job_id__in=ids).select_related("group")
    newest = failures.order_by("job_id", "-pk").distinct("job_id") if ids else []
    latest = {failure.job_id: failure for failure in newest}
    for job in jobs:
        job.queued_at, job.failure = queued_at.get(job.pk), latest.get(job.pk)
    add_people(jobs)


def sentence(job: Job) -> str:
    """Describe a job's state and what happens next."""
    at = date_format(job.scheduled_at, "j M Y H:i:s") if job.scheduled_at else ""
    match job.state:
        case JobState.PENDING:
            return _("The job starts at %s UTC.") % at if at else _("The job starts when a worker is free.")
        case JobState.RETRYING:
            return (
                _("The next attempt is at %s UTC.") % at if at else _("The next attempt starts when a worker is free.")
            )
        case JobState.RUNNING:
            return _("A worker is running the job.")
        case JobState.FAILED:
            return _("The job is not retried automatically. Jobs on a schedule run again at their next time.")
        case JobState.GIVEN_UP:
            return _("No attempts are left. Retry the job after you have solved the cause, or discard it.")
        case JobState.FINISHED:
            return _("Nothing needs to be done.")
    return _("The job was cancelled and will not run.")


def _add_failures(entries: list[Entry], newest_failures: list[JobFailure]) -> None:
    """Assign each failure to the last attempt that started before it."""
    attempts = [entry for entry in entries if entry.attempt]
    for failure in reversed(newest_failures):
        started = [entry for entry in attempts if entry.at <= failure.failed_at]
        if started:
            started[-1].failure = failure
