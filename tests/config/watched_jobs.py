"""A job that always fails."""

from typing import NoReturn

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app


@app.task(name="watched.fail", queue="watched", retry=RetryStrategy(max_attempts=2, wait=0))
def fail(person: int) -> NoReturn:
    """Fail twice: the first time is nothing to tell."""
    raise LookupError(f"Nothing is known of olive{person}@example.com.")
