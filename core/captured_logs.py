"""A log filter for loggers whose records contain secrets. It drops the records and keeps the last text for the caller."""

import logging
import threading

_local = threading.local()


class CaptureFilter(logging.Filter):
    """Drops every record of a logger. `last_text` returns the text of the last one."""

    def filter(self, record: logging.LogRecord) -> bool:
        _local.text = record.getMessage()
        return False


def clear() -> None:
    _local.text = ""


def last_text() -> str:
    """Return the text of the last dropped record of this thread since `clear`, or ""."""
    return str(getattr(_local, "text", ""))
