"""Worker middleware that traces background jobs with OpenTelemetry."""

from collections.abc import Awaitable, Callable
from typing import Any

from procrastinate import JobContext


async def traced_job(call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Record a span for the job. The middleware is installed only if OpenTelemetry is configured."""
    from config import telemetry

    with telemetry.job_span(context.job.task_name):
        return await call_next()
