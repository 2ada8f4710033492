"""Limit the log records that clients can cause, so that they cannot fill the disk.

A few records of each cause are logged in full per minute and process. The others are counted, and the counts are logged once a
minute. Code that logs what an unknown client did passes `extra={"cause": ...}`.
"""

import logging
import threading
from collections import Counter

log = logging.getLogger(__name__)

INTERVAL_S = 60.0
#: Records of one cause in an interval. Records of the webhook endpoint are limited to one.
MAX_RECORDS = 20
#: Lines of the access log in an interval: of answered requests, and of requests rejected with one status.
MAX_ACCESS_RECORDS, MAX_REJECTED_ACCESS_RECORDS = 6000, 60
#: Further causes share one count, so that the table cannot grow.
MAX_CAUSES, OTHER = 200, "other causes"
WEBHOOK_PREFIX = "/api/webhooks/"
#: Beginnings of gunicorn's messages about broken requests and connections.
GUNICORN_MESSAGES = ("Invalid request", "Socket error", "Error handling request")


class RecordLimiter:
    """Counts log records by cause in one process."""

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
            # A timer, because no later record may arrive. It is not alive in a process that was forked after its start.
            if self._timer is None or not self._timer.is_alive():
                self._timer = threading.Timer(INTERVAL_S, self.report)
                self._timer.daemon = True
                self._timer.start()
            return self._counts[cause] <= limit

    def report(self) -> None:
        """Log how many records of each cause were left out, and start to count again."""
        with self._lock:
            counts, limits, self._timer = self._counts, self._limits, None
            self._counts, self._limits = Counter(), {}
        for cause, count in sorted(counts.items()):
            if count > limits[cause]:
                log.warning("%d more log records like these in the last minute: %s", count - limits[cause], cause)


limiter = RecordLimiter()


class LimitFilter(logging.Filter):
    """Drops records beyond the limit of their cause. It belongs on handlers: a logger's filter skips its child loggers."""

    def filter(self, record: logging.LogRecord) -> bool:
        cause = _cause(record)
        if cause is None:
            return True
        if getattr(getattr(record, "request", None), "path", "").startswith(WEBHOOK_PREFIX):
            cause = f"{WEBHOOK_PREFIX} {cause}"
        return limiter.admit(cause, 1 if cause.startswith(WEBHOOK_PREFIX) else MAX_RECORDS)


def admits_access(path: str, status: int) -> bool:
    """Return whether a line of the access log should be written."""
    if status < 400:
        return limiter.admit("answered requests", MAX_ACCESS_RECORDS)
    if path.startswith(WEBHOOK_PREFIX):
        return limiter.admit(f"{WEBHOOK_PREFIX} requests answered with {status}", 1)
    return limiter.admit(f"requests answered with {status}", MAX_REJECTED_ACCESS_RECORDS)


def _cause(record: logging.LogRecord) -> str | None:
    """Return the cause of a record that an unknown client can cause, or None for other records."""
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
    """Return where the exception of a record was raised, so that each error is logged with its stack."""
    error = record.exc_info[1] if record.exc_info else None
    trace = error.__traceback__ if error else None
    if error is None or trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" {type(error).__name__} in {trace.tb_frame.f_code.co_qualname} line {trace.tb_lineno}"
