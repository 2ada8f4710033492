"""Log records as lines of JSON with request, webhook delivery, user and job ids.

`structlog.contextvars` stores the ids as soon as they are known. The middleware below binds the request id,
webhooks.views binds the delivery id, accounts.middleware binds the user id, and the worker middleware below binds the
job id.
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
MAX_CHAINED_ERRORS = 5
#: Values of X-Request-ID that are logged. Clients can send arbitrary text.
CLIENT_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
#: https://www.w3.org/TR/trace-context/#traceparent-header
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def request_context(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Bind a new id to each request and return it as X-Request-ID.

    The id that the client or a proxy sent is bound separately, so that no client can choose the id of its log lines.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        # The variables are not cleared here, because Django and gunicorn log the request after this middleware returns.
        clear_contextvars()
        request_id = uuid.uuid4().hex
        given = _client_request_id(request.META.get("HTTP_X_REQUEST_ID", ""))
        bind_contextvars(request_id=request_id, **given, **_trace(request.META.get("HTTP_TRACEPARENT", "")))
        response = get_response(request)
        response["X-Request-ID"] = request_id
        return response

    return middleware


async def job_context(call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Bind a job's name and id while it runs. The worker runs each job in a separate context."""
    with structlog.contextvars.bound_contextvars(job=context.job.task_name, job_id=context.job.id):
        return await call_next()


def json_formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars],
        processors=[_JsonRenderer({"dd.service": SERVICE, "dd.env": deployment(), "dd.version": version()})],
    )


class RejectionFilter(logging.Filter):
    """A filter that removes stack traces from records about rejected requests (4xx), because clients can cause them."""

    def filter(self, record: logging.LogRecord) -> bool:
        if 400 <= getattr(record, "status_code", 0) < 500:
            record.exc_info = None
        return True


class _JsonRenderer:
    """The last structlog processor, which renders a record and its bound values as one line."""

    def __init__(self, constants: dict[str, str]) -> None:
        self.constants = constants
        self.add_timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def __call__(self, logger: Any, name: str, event: EventDict) -> str:
        record: logging.LogRecord = event.pop("_record")
        event.pop("_from_structlog")
        message, exc_info = event.pop("event"), event.pop("exc_info", None)
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redaction.redact_text(str(message)),
        }
        job = getattr(record, "job", None)  # Procrastinate sets this on its records about a job.
        if isinstance(job, dict):
            line |= {"job": job.get("task_name"), "job_id": job.get("id")}
        line |= getattr(record, "fields", {}) | self.constants | dict(event)
        if exc_info and exc_info[1] is not None:
            line |= _error(exc_info[1])
        return json.dumps(self.add_timestamp(logger, name, line), default=str, ensure_ascii=False)


def _error(error: BaseException) -> dict[str, str]:
    """Return an exception as Datadog attributes, without variables and with quoted values redacted."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < MAX_CHAINED_ERRORS:
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.insert(0, f"{frames}{type(current).__name__}: {redaction.redact_error(str(current))}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    stack = "\n\nThe exception above caused this one:\n\n".join(parts)
    return {"error.kind": kind, "error.message": redaction.redact_error(str(error)), "error.stack": stack}


def _client_request_id(given: str) -> dict[str, str]:
    is_loggable = CLIENT_REQUEST_ID.fullmatch(given) and redaction.redact_text(given) == given
    return {"client_request_id": given} if is_loggable else {}


def _trace(traceparent: str) -> dict[str, str]:
    """Parse a W3C traceparent header into trace and span ids, in W3C and Datadog formats.

    Datadog uses the lower 64 bits as a decimal number: docs.datadoghq.com/tracing/connect_logs_and_traces/opentelemetry
    """
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return {}
    trace, span = found.groups()
    datadog = {"dd.trace_id": str(int(trace[16:], 16)), "dd.span_id": str(int(span, 16))}
    return {"trace_id": trace, "span_id": span, **datadog}
