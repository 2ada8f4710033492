"""Record the failed attempts of jobs. Procrastinate only logs errors."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import DatabaseError, close_old_connections, transaction
from django.utils.translation import ngettext
from procrastinate import App, JobContext
from procrastinate.jobs import Job
from procrastinate.utils import sync_to_async

from core import redaction
from core.errors import ErrorKind
from core.text import postgres_safe
from webhooks import errors
from webhooks.inbox.attempts import format_traceback
from webhooks.models import JobFailure

log = logging.getLogger(__name__)

#: Maximum length of a stored error.
MAX_ERROR_LENGTH = 2000


def connect(app: App) -> None:
    """Add the middleware to the app.

    Procrastinate calls this once all models are loaded (PROCRASTINATE_ON_APP_READY).
    """
    app.worker_defaults["worker_middleware"] = [*app.worker_defaults.get("worker_middleware", []), record_failures]


async def record_failures(call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Any) -> Any:
    """Record the error of a failed attempt, and re-raise it."""
    try:
        return await call_next()
    except Exception as error:
        await sync_to_async(_record_safely, context.job, error)
        raise


def record(job_id: int, error: Exception) -> None:
    text = postgres_safe(f"{type(error).__name__}: {error}")[:MAX_ERROR_LENGTH]
    with transaction.atomic():
        JobFailure.objects.create(
            job_id=job_id,
            error=redaction.redact_traceback(text),
            traceback=redaction.redact_traceback(format_traceback(error)),
            group_id=errors.group_of(error),
        )


def record_lost_worker(job: Job) -> None:
    """Record that a job was abandoned because its worker was killed on every attempt."""
    kind = ErrorKind("WorkerLost", job.task_name, "")
    text = ngettext(
        "The job's worker was killed or lost its connection %d time.",
        "The job's worker was killed or lost its connection %d times.",
        job.attempts,
    )
    text %= job.attempts
    with transaction.atomic():
        JobFailure.objects.create(job_id=_id(job), error=text, group_id=errors.group_of_kind(kind))


def _record_safely(job: Job, error: Exception) -> None:
    """Record an error. Database errors are only logged, so that they do not replace the job's error."""
    close_old_connections()
    try:
        record(_id(job), error)
    except DatabaseError as problem:
        log.warning("The failure of job %s (%s) could not be recorded: %s", job.id, job.task_name, problem)
    finally:
        close_old_connections()


def _id(job: Job) -> int:
    assert job.id is not None  # noqa: S101  # The job is stored.
    return job.id
