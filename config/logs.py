"""Logs as lines of JSON, each with the request, the delivery, the person and the job that it belongs to.

What belongs to all lines of a request is bound with `structlog.contextvars` where it becomes known: the request by the
middleware below, the delivery by webhooks.views, the person by accounts.middleware, the job by the worker's middleware.
"""

import json
import logging
import re
import traceback
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from procrastinate import JobContext
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from structlog.typing import EventDict

from config.environment import deployment, version
from core import redaction

SERVICE = "buildappswith"
#: What a proxy in front may call a request. Anything else is a stranger's text and gets no place in the log.
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
#: https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def request_context(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request an id, take over the proxy's, and say it in the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        # Cleared here and not afterwards: Django and gunicorn write about a request when this has returned.
        clear_contextvars()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        bind_contextvars(request_id=request_id, **_trace(request.META.get("HTTP_TRACEPARENT", "")))
        response = get_response(request)
        response["X-Request-ID"] = request_id
        return response

    return middleware


async def job_context(call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Name the job in what it logs. The worker runs each job in a context of its own."""
    with structlog.contextvars.bound_contextvars(job=context.job.task_name, job_id=context.job.id):
        return await call_next()


def json_formatter() -> logging.Formatter:
    """Return what makes a line of JSON of each record of Python's logging."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars],
        processors=[_Rendered({"dd.service": SERVICE, "dd.env": deployment(), "dd.version": version()})],
    )


class _Rendered:
    """The last step: everything that is known of a record, as one line."""

    def __init__(self, always: dict[str, str]) -> None:
        self.always = always
        self.time = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def __call__(self, logger: Any, name: str, event: EventDict) -> str:
        record: logging.LogRecord = event.pop("_record")
        event.pop("_from_structlog")
        message, exc_info = event.pop("event"), event.pop("exc_info", None)
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redaction.redact_text(str(message)),
        }
        job = getattr(record, "job", None)  # of Procrastinate's own lines about a job
        if isinstance(job, dict):
            line |= {"job": job.get("task_name"), "job_id": job.get("id")}
        line |= getattr(record, "http", {}) | self.always | dict(event)
        if exc_info and exc_info[1] is not None:
            line |= _error(exc_info[1])
        return json.dumps(self.time(logger, name, line), default=str, ensure_ascii=False)


def _error(error: BaseException) -> dict[str, str]:
    """Return an exception under the names that Datadog knows, with messages that quote nothing, and no variables."""
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(told) < 5:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        told.insert(0, f"{frames}{type(seen).__name__}: {redaction.redact_error(str(seen))}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    stack = "\n\nwhich led to\n\n".join(told)
    return {"error.kind": kind, "error.message": redaction.redact_error(str(error)), "error.stack": stack}


def _trace(traceparent: str) -> dict[str, str]:
    """Return the ids of the trace a request belongs to, as W3C writes them and as Datadog finds them.

    Datadog's are the lower 64 bits as a decimal number: docs.datadoghq.com/tracing/connect_logs_and_traces/opentelemetry
    """
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return {}
    trace, span = found.groups()
    datadog = {"dd.trace_id": str(int(trace[16:], 16)), "dd.span_id": str(int(span, 16))}
    return {"trace_id": trace, "span_id": span, **datadog}
