"""Send requests to the application, and detect faults."""

import logging
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections

from tests.fuzz.application import call, rolled_back
from tests.fuzz.requests import Request
from tests.fuzz.targets import Target
from tests.fuzz.world import World
from webhooks.models import WebhookEvent

#: The only error that a stored event may have. Any other error means that the payload was not validated.
EXPECTED_EVENT_ERROR = "ClerkPayloadError"
#: The page for browsers that Clerk keeps redirecting is the only expected 5xx.
REDIRECT_LOOP = (503, b"redirect")


@dataclass(slots=True)
class Fault:
    """A request that returned 500 or raised an exception. Faults with the same cause are counted together."""

    number: int
    request: str
    cause: str
    details: str
    count: int = 1


@dataclass(slots=True)
class Result:
    """The results of all requests to one target."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[str, Fault] = field(default_factory=dict)
    slowest_s: float = 0.0


class Runner:
    """Sends requests to the application in this process.

    Args:
        seed: the same seed produces the same requests.
    """

    def __init__(self, seed: int, world: World) -> None:
        self.seed, self.world = seed, world
        self.application = WSGIHandler()
        self._errors: list[BaseException] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record exceptions that Django turns into a 500, and errors while writing a log line."""
        for signal in (request_started, request_finished):  # the connection must stay open for the rollback
            signal.disconnect(close_old_connections)
        got_request_exception.connect(self._record, dispatch_uid="fuzz")
        original = logging.Handler.handleError
        try:
            setattr(logging.Handler, "handleError", lambda handler, record: self._record())  # noqa: B010  # mypy rejects "="
            yield
        finally:
            got_request_exception.disconnect(dispatch_uid="fuzz")
            setattr(logging.Handler, "handleError", original)  # noqa: B010
            for signal in (request_started, request_finished):
                signal.connect(close_old_connections)

    def run(self, name: str, target: Target, number: int, result: Result) -> None:
        """Build and send request `number` of a target."""
        request = target.build(Random(f"{self.seed}:{name}:{number}"), self.world)
        self._errors.clear()
        started = time.perf_counter()
        status, problem = self._send(request)
        result.slowest_s = max(result.slowest_s, time.perf_counter() - started)
        result.requests += 1
        result.statuses[status] += 1
        if self._errors or problem:
            _add_fault(result, number, request, self._errors[0] if self._errors else None, problem)

    def _send(self, request: Request) -> tuple[int, str]:
        """Send a request, and return its status and a description of any problem."""
        try:
            with nullcontext() if request.keeps_changes else rolled_back():
                status, body = call(self.application, request.environ())
                problem = _find_problem(request, status, body)
        except Exception as error:  # noqa: BLE001  # any exception is a fault
            self._errors.append(error)
            return 0, "unhandled exception"
        return status, problem

    def _record(self, **_: Any) -> None:
        error = sys.exception()
        assert error is not None
        self._errors.append(error)


def _find_problem(request: Request, status: int, body: bytes) -> str:
    if status >= 500 and not (status == REDIRECT_LOOP[0] and REDIRECT_LOOP[1] in body):
        return f"status {status}: {body[:300]!r}"
    if b'"outcome": "failed"' in body and request.keeps_changes:
        event = WebhookEvent.objects.get(svix_id=request.headers["svix-id"].strip())
        if not event.last_error.startswith(EXPECTED_EVENT_ERROR):
            return f"event {event.error_class}: {event.last_error}"
    return ""


def _add_fault(result: Result, number: int, request: Request, error: BaseException | None, problem: str) -> None:
    cause = _cause(error) if error else problem[:120]
    if fault := result.faults.get(cause):
        fault.count += 1
        return
    details = "".join(traceback.format_exception(error)) if error else problem
    result.faults[cause] = Fault(number, str(request), cause, details)


def _cause(error: BaseException) -> str:
    """Return the exception's type and its last location in this project."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename and "/tests/" not in frame.filename]
    place = (ours or frames)[-1] if frames else None
    return f"{type(error).__name__} at {place.filename}:{place.lineno}" if place else type(error).__name__
