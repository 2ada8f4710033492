"""gunicorn's own lines as JSON, and one for each request. config.gunicorn uses it where LOG_FORMAT is json."""

from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger
from structlog.contextvars import clear_contextvars

from config.logs import json_formatter


class JsonLogger(Logger):  # type: ignore[misc]  # it has no types
    """A logger for gunicorn."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn at its start, and when it reads its configuration anew."""
        super().setup(cfg)
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(json_formatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Called by gunicorn after each answer, in the thread that gave it, so that what was bound is still known.

        Of the address there is the path alone, and nothing of who asked: queries hold words and tokens.
        """
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        status = int(str(resp.status).split(None, 1)[0])
        facts = {"method": method, "path": path, "status": status, "bytes": getattr(resp, "sent", None)}
        facts["ms"] = round(request_time.total_seconds() * 1000, 1)
        self.access_log.info("%s %s %s", method, path, status, extra={"http": facts})
        clear_contextvars()  # the next request in this thread may be one that never reaches our middleware
