"""Find the user of a job, and the jobs of a user. Tasks declare the relation with core.jobs.Person."""

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.apps import apps
from django.db.models import Q

from accounts.models import User
from core.jobs import Person, descriptions
from webhooks.models import Job

#: Maximum number of a user's rows, such as events, whose jobs are searched per kind of job.
MAX_ROWS = 200


def add_people(jobs: Iterable[Job]) -> None:
    """Set the user of each job, with one query per kind of job and one for the users."""
    waiting: defaultdict[Person, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.description and job.description.person and job.description.person.argument in job.args:
            waiting[job.description.person].append(job)
    clerk_ids = {
        job.pk: clerk_id
        for person, found in waiting.items()
        for job, clerk_id in zip(found, _clerk_ids(person, found), strict=True)
    }
    users = User.objects.filter(clerk_id__in=set(clerk_ids.values()) - {None}) if any(clerk_ids.values()) else ()
    by_clerk_id = {user.clerk_id: user for user in users}
    for found in waiting.values():
        for job in found:
            job.person = by_clerk_id.get(clerk_ids[job.pk])


def jobs_of(clerk_id: str) -> Q:
    """Return a condition that selects the user's jobs."""
    conditions = [
        Q(task_name=name, args__contains={description.person.argument: value})
        for name, description in descriptions.items()
        if description.person
        for value in _values(description.person, clerk_id)
    ]
    return reduce(or_, conditions, Q(pk__in=[]))


def _clerk_ids(person: Person, jobs: list[Job]) -> list[str | None]:
    values = [job.args[person.argument] for job in jobs]
    if person.column == person.clerk_id:
        return values
    rows = apps.get_model(person.model).objects.filter(**{f"{person.column}__in": values})
    found = dict(rows.values_list(person.column, person.clerk_id))
    return [found.get(value) for value in values]


def _values(person: Person, clerk_id: str) -> list[str | int]:
    if person.column == person.clerk_id:
        return [clerk_id]
    rows = apps.get_model(person.model).objects.filter(**{person.clerk_id: clerk_id})
    return list(rows.order_by("-pk").values_list(person.column, flat=True)[:MAX_ROWS])
