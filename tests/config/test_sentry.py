"""Of whatever Sentry's library has gathered, only what is harmless is left."""

import logging
from typing import Any

from structlog.contextvars import bound_contextvars

from config import sentry

PRIVATE = "olive@example.com"


def test_of_an_event_and_its_spans_the_listed_parts_are_left() -> None:
    gathered: dict[str, Any] = {
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
    with bound_contextvars(request_id="r1", user_id=7, something_else=PRIVATE):
        left: Any = sentry._harmless(gathered, {"log_record": record})  # type: ignore[arg-type]
    assert left == {
        "event_id": "a1",
        "transaction": "/builders/",
        "logentry": {"message": "Lost %s"},
        "contexts": {"trace": {"trace_id": "b2"}},
        "spans": [{"op": "db", "description": "SELECT %s"}, {"op": "http.client"}],
        "tags": {"request_id": "r1"},
        "user": {"id": "7"},
    }


def test_crumbs_are_lines_of_the_log_and_sql_without_their_values() -> None:
    record = logging.LogRecord("any", logging.INFO, "", 0, "Wrote to %s", (PRIVATE,), None)
    crumb = {"category": "any", "message": f"Wrote to {PRIVATE}", "data": {"to": PRIVATE}}
    assert sentry._harmless_crumb(crumb, {"log_record": record}) == {"category": "any", "message": "Wrote to %s"}
    query = {"category": "query", "message": "SELECT %s", "data": {"db.params": [PRIVATE]}}
    assert sentry._harmless_crumb(query, {}) == {"category": "query", "message": "SELECT %s"}
    assert sentry._harmless_crumb({"category": "httplib", "data": {"url": PRIVATE}}, {}) is None
