"""A job that always fails."""

from typing import NoReturn

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app


@app.task(name="failing.fail", queue="failing", retry=RetryStrategy(max_attempts=2, wait=0))
def fail(number: int) -> NoReturn:
    """Fail on both attempts. Only the second failure is reported."""
    raise LookupError(f"There is no user olive{number}@example.com.")
