"""Describe background jobs for operators, next to the code of each job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class Person:
    """How to find the person that a job is about.

    Attributes:
        argument: the job's argument that identifies a row of `model`.
        model: the model's label, such as `accounts.User`.
        column: the column that contains the argument's value.
        clerk_id: the path from the row to the person's Clerk ID.
    """

    argument: str
    model: str
    column: str
    clerk_id: str


@dataclass(frozen=True, slots=True)
class Description:
    """A job's short name, and one or two sentences about its purpose and the effect of a failure."""

    title: str | Promise
    purpose: str | Promise
    person: Person | None


#: The description of each job by the job's name.
descriptions: dict[str, Description] = {}


def describe[**P, R](
    title: str | Promise, purpose: str | Promise, *, person: Person | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Describe a job. The decorator must be below `@app.task`, so that it receives the function."""

    def decorator(function: Any) -> Any:
        descriptions[f"{function.__module__}.{function.__name__}"] = Description(title, purpose, person)
        return function

    return decorator
