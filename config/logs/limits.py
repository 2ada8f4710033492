"""Limit log records caused by clients, so that clients cannot fill the disk.

Each process logs a few records per cause and minute in full. The others are counted, and the counts are logged once a
minute. Code that logs an unknown client's action passes `extra={"cause": ...}`.
"""

import logging
import threading
from collections import Counter

from core.english import counted

log = logging.getLogger(__name__)

INTERVAL_S = 60.0
#: Maximum number of records per cause and interval. The limit for the webhook endpoint is one.
MAX_RECORDS = 20
#: Maximum number of access log lines per interval: for successful requests, and for each status of rejected requests.
MAX_ACCESS_RECORDS, MAX_REJECTED_ACCESS_RECORDS = 6000, 60
#: Maximum number of separate causes. Further causes share one count, so that the table cannot grow.
MAX_CAUSES, OTHER = 200, "other causes"
WEBHOOK_PREFIX = "/api/webhooks/"
#: Prefixes of gunicorn's messages about malformed requests and broken connections.
GUNICORN_MESSAGES = ("Invalid request", "Socket error", "Error handling request")


class RecordLimiter:
    """Count log records by cause in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._limits: dict[str, int] = {}
        self._timer: threading.Timer | None = None

    def admit(self, cause: str, limit: int = MAX_RECORDS) -> bool:
        """Count a record, and return whether it should be logged."""
        with self._lock:
            if cause not in self._counts and len(self._counts) >= MAX_CAUSES:
                cause = OTHER
            self._counts[cause] += 1
            self._limits[cause] = limit
            # Use a timer, because there may be no later record. The timer does not run in a process forked after its
            # start.
            if self._timer is None or not self._timer.is_alive():
                self._timer = threading.Timer(INTERVAL_S, self.report)
                self._timer.daemon = True
                self._timer.start()
            return self._counts[cause] <= limit

    def report(self) -> None:
        """Log the number of dropped records for each cause, and reset the counts."""
        with self._lock:
            counts, limits, self._timer = self._counts, self._limits, None
            self._counts, self._limits = Counter(), {}
        for cause, count in sorted(counts.items()):
            if count > limits[cause]:
                dropped = counted(count - limits[cause], "more log record", "more log records")
                log.warning("%s like these in the last minute: %s", dropped, cause)


limiter = RecordLimiter()


class LimitFilter(logging.Filter):
    """A filter that drops records above their cause's limit.

    Attach it to handlers, because a logger's filters do not apply to its child loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        cause = _cause(record)
        if cause is None:
            return True
        if getattr(getattr(record, "request", None), "path", "").startswith(WEBHOOK_PREFIX):
            cause = f"{WEBHOOK_PREFIX} {cause}"
        return limiter.admit(cause, 1 if cause.startswith(WEBHOOK_PREFIX) else MAX_RECORDS)


def admits_access(path: str, status: int) -> bool:
    """Return whether to write a line to the access log."""
    if status < 400:
        return limiter.admit("answered requests", MAX_ACCESS_RECORDS)
    if path.startswith(WEBHOOK_PREFIX):
        return limiter.admit(f"{WEBHOOK_PREFIX} requests answered with {status}", 1)
    return limiter.admit(f"requests answered with {status}", MAX_REJECTED_ACCESS_RECORDS)


def _cause(record: logging.LogRecord) -> str | None:
    """Return the cause of a record that an unknown client can trigger, or None for other records."""
    if cause := getattr(record, "cause", None):
        return str(cause)
    if status := getattr(record, "status_code", 0):
        return f"{record.name} {status}{_place(record)}"
    if record.name.startswith(("axes", "django.security")):
        return f"{record.name} {record.levelname}"
    if record.name == "gunicorn.error":
        return next((text for text in GUNICORN_MESSAGES if str(record.msg).startswith(text)), None)
    return None


def _place(record: logging.LogRecord) -> str:
    """Return where a record's exception was raised, so that each different error is logged with its stack."""
    error = record.exc_info[1] if record.exc_info else None
    trace = error.__traceback__ if error else None
    if error is None or trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" {type(error).__name__} in {trace.tb_frame.f_code.co_qualname} line {trace.tb_lineno}"
