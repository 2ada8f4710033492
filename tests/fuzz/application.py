"""Call the application in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction


def call(application: WSGIHandler, environ: dict[str, Any]) -> tuple[int, bytes]:
    """Return the status and body of the response."""
    started: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append(status)

    response = application(environ, start_response)
    try:
        body = b"".join(response)
    finally:
        response.close()
    return int(started[0].split()[0]), body


@contextmanager
def rolled_back() -> Iterator[None]:
    """Roll back the block. Before that, check deferred constraints and run the commit hooks, so that errors are found."""
    atomic = transaction.atomic()
    cast(Any, atomic)._from_testcase = True  # allows durable transactions in the block
    with atomic:
        yield
        if not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            _run_commit_hooks()
        transaction.set_rollback(True)


def _run_commit_hooks() -> None:
    hooks, connection.run_on_commit = connection.run_on_commit, []
    for hook in hooks:
        hook[1]()
