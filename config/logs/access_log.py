"""Write gunicorn's log with rate limits. If LOG_FORMAT is json, write each request as a line of JSON."""

from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger
from structlog.contextvars import clear_contextvars

from config.logs.limits import LimitFilter, admits_access
from config.logs.records import json_formatter
from core.redaction import redact_text

#: Maximum length of a path in the access log, in characters, because clients choose the path.
MAX_PATH_LENGTH = 300


class LimitedLogger(Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.addFilter(LimitFilter())


class JsonLogger(LimitedLogger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(json_formatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log a request without its query string, client IP and user agent.

        Query strings can contain search terms and tokens. gunicorn calls this method in the thread that handled the
        request, so the request's context variables are still bound.
        """
        method, path = environ["REQUEST_METHOD"], _loggable_path(environ.get("PATH_INFO", ""))
        status = int(str(resp.status).split(None, 1)[0])
        fields = {"method": method, "path": path, "status": status, "bytes": getattr(resp, "sent", None)}
        fields["ms"] = round(request_time.total_seconds() * 1000, 1)
        if admits_access(path, status):
            self.access_log.info("%s %s %s", method, path, status, extra={"fields": fields})
        # The next request in this thread may never reach our middleware, which normally clears them.
        clear_contextvars()


def _loggable_path(path: str) -> str:
    """Redact a path and then cut it, because the start of a secret is not recognised as one."""
    return redact_text(path)[:MAX_PATH_LENGTH]
