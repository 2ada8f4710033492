"""Write all process output as JSON lines if LOG_FORMAT is json.

Log records are already JSON. Other output comes from Django's system checks and commands, Procrastinate's command, the
Python interpreter on exit, and libraries.
"""

import json
import logging
import sys
import threading
from types import TracebackType
from typing import TextIO

from django.core.exceptions import ImproperlyConfigured

from config.environment import env, log_format
from config.logs.records import json_formatter


class JsonLines:
    """A text stream that converts plain lines to JSON and leaves JSON lines unchanged."""

    def __init__(self, stream: TextIO, level: int) -> None:
        self.stream, self.level = stream, level
        self.incomplete = ""
        self.lock = threading.Lock()

    def write(self, text: str) -> int:
        with self.lock:
            *lines, self.incomplete = (self.incomplete + text).split("\n")
            for line in filter(str.strip, lines):
                self.stream.write(line + "\n" if line.startswith("{") else format_line(line, self.level))
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def format_line(message: str, level: int, error: BaseException | None = None) -> str:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("output", level, "", 0, message.strip(), None, exc_info)
    try:
        return json_formatter().format(record) + "\n"
    except ImproperlyConfigured:  # The invalid setting is probably one that the formatter needs.
        fields = {"level": record.levelname.lower(), "logger": record.name, "message": message.strip()}
        return json.dumps(fields, ensure_ascii=False) + "\n"


def print_json_lines(*, include_stdout: bool = False) -> None:
    """Replace the standard streams, unless they are a terminal or LOG_FORMAT is console."""
    try:
        is_json = log_format() == "json"
    except ImproperlyConfigured:  # The settings will report the invalid value.
        is_json = env.str("LOG_FORMAT", default="") != "console"
    if not is_json:
        return
    if not sys.stderr.isatty() and not isinstance(sys.stderr, JsonLines):
        sys.stderr = JsonLines(sys.stderr, logging.ERROR)
        sys.excepthook = _print_exception
    if include_stdout and not sys.stdout.isatty() and not isinstance(sys.stdout, JsonLines):
        sys.stdout = JsonLines(sys.stdout, logging.INFO)


def set_level(level: int) -> None:
    """Set the log level for subsequent lines on standard error."""
    if isinstance(sys.stderr, JsonLines):
        sys.stderr.level = level


def _print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught exception and its stack trace as one line."""
    sys.stderr.write(format_line(f"Uncaught exception: {kind.__name__}", logging.CRITICAL, error))
    sys.stderr.flush()
