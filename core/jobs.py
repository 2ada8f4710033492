"""Descriptions of background jobs for operators. Each job is described where it is defined."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Person:
    """How to find the user that a job is about.

    Attributes:
        argument: the job's argument that identifies a row of `model`.
        model: the model's label, such as `accounts.User`.
        column: the column of `model` to look the argument up in.
        clerk_id: the lookup path from the row to the user's Clerk ID.
    """

    argument: str
    model: str
    column: str
    clerk_id: str


@dataclass(frozen=True, slots=True)
class Description:
    """A job's title, and one or two sentences on the purpose and the effect of a failure."""

    title: str | Promise
    purpose: str | Promise
    person: Person | None


#: The priority of short jobs that keep the site working or that a person waits for. They run before all other jobs.
URGENT = 10
#: The priority of jobs that can be queued by the thousand, such as emails. They do not delay the retries of events, which have the
#: default priority 0.
BULK = -10
#: Descriptions by job name.
descriptions: dict[str, Description] = {}


def describe[**P, R](
    title: str | Promise, purpose: str | Promise, *, person: Person | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Describe a job. Place this decorator below `@app.task`, so that it receives the function and not the task."""

    def decorator(function: Any) -> Any:
        descriptions[f"{function.__module__}.{function.__name__}"] = Description(title, purpose, person)
        return function

    return decorator


def title_of(task: str) -> str | Promise:
    """Return the title of a task, or the task's name if it has no description."""
    return descriptions[task].title if task in descriptions else task
