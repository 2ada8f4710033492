"""Events and breadcrumbs are reduced to the allowed fields before they are sent to Sentry."""

import logging
from typing import Any

from structlog.contextvars import bound_contextvars, clear_contextvars

from config import sentry

PRIVATE = "olive@example.com"


def test_event_and_spans_keep_only_allowed_fields() -> None:
    event: Any = {
        "event_id": "a1",
        "transaction": "/builders/",
        "request": {"url": PRIVATE, "headers": {"Svix-Signature": PRIVATE}, "data": PRIVATE, "query_string": PRIVATE},
        "user": {"email": PRIVATE},
        "extra": {"sys.argv": [PRIVATE]},
        "modules": {"django": "6.1"},
        "logentry": {"message": "Lost %s", "formatted": f"Lost {PRIVATE}", "params": [PRIVATE]},
        "contexts": {"trace": {"trace_id": "b2", "data": {"url": PRIVATE}}, "response": {"body": PRIVATE}},
        "spans": [
            {"op": "db", "description": "SELECT %s", "data": {"params": PRIVATE}},
            {"op": "http.client", "description": f"GET /v1/users?email={PRIVATE}"},
        ],
    }
    record = logging.LogRecord("any", logging.ERROR, "", 0, "Lost %s", (PRIVATE,), None)
    clear_contextvars()  # Clear values from requests in earlier tests. A server clears them before each request.
    with bound_contextvars(request_id="r1", user_id=7, something_else=PRIVATE):
        scrubbed: Any = sentry._scrub_event(event, {"log_record": record})
    assert scrubbed == {
        "event_id": "a1",
        "transaction": "/builders/",
        "logentry": {"message": "Lost %s"},
        "contexts": {"trace": {"trace_id": "b2"}},
        "spans": [{"op": "db", "description": "SELECT %s"}, {"op": "http.client"}],
        "tags": {"request_id": "r1"},
        "user": {"id": "7"},
    }


def test_breadcrumbs_are_log_messages_and_sql_without_parameters() -> None:
    record = logging.LogRecord("any", logging.INFO, "", 0, "Wrote to %s", (PRIVATE,), None)
    crumb = {"category": "any", "message": f"Wrote to {PRIVATE}", "data": {"to": PRIVATE}}
    assert sentry._scrub_breadcrumb(crumb, {"log_record": record}) == {"category": "any", "message": "Wrote to %s"}
    query = {"category": "query", "message": "SELECT %s", "data": {"db.params": [PRIVATE]}}
    assert sentry._scrub_breadcrumb(query, {}) == {"category": "query", "message": "SELECT %s"}
    assert sentry._scrub_breadcrumb({"category": "httplib", "data": {"url": PRIVATE}}, {}) is None
