"""Report errors in web servers and workers to Sentry without personal data.

Only allow-listed integrations and event fields are used. Rejected requests (for example, with an invalid signature,
CSRF token or host, or an unknown URL) are not reported.
"""

from typing import Any

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.integrations.threading import ThreadingIntegration
from sentry_sdk.types import Breadcrumb, BreadcrumbHint, Event, Hint
from structlog.contextvars import get_contextvars

from core import redaction
from core.errors import identify

#: Loggers to which Django writes invalid requests as errors.
IGNORED_LOGGERS = "django.security.*"
#: Allowed event fields. Other fields are dropped, including bodies, headers, cookies, variables, arguments and URLs.
ALLOWED_FIELDS = (
    *("event_id", "timestamp", "type", "platform", "level", "logger", "sdk", "release", "environment", "server_name"),
    *("transaction", "transaction_info", "start_timestamp", "exception", "logentry", "breadcrumbs", "fingerprint"),
    *("contexts", "spans", "debug_meta"),
)
ALLOWED_CONTEXTS = ("trace", "runtime")
ALLOWED_SPAN_FIELDS = (
    "span_id",
    "parent_span_id",
    "trace_id",
    "op",
    "description",
    "start_timestamp",
    "timestamp",
    "status",
    "origin",
)
#: Log context variables to send as Sentry tags. See config.logs.records.
TAGS = ("request_id", "client_request_id", "delivery_id", "job", "job_id")


def start(dsn: str, *, release: str, environment: str, traces_sample_rate: float = 0) -> None:
    """Report errors. If `traces_sample_rate` is not 0, also report traces for a sample of requests."""
    sentry_sdk.init(
        dsn,
        release=release or None,
        environment=environment,
        traces_sample_rate=traces_sample_rate or None,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(transaction_style="url", middleware_spans=False),
            # Jobs need no integration, because a job's last failed attempt is logged as an error.
            LoggingIntegration(),
            ExcepthookIntegration(),
            ThreadingIntegration(),
            DedupeIntegration(),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        auto_session_tracking=False,
        send_client_reports=False,
        trace_propagation_targets=[],  # Do not send trace headers to Clerk.
        before_send=_scrub_event,
        before_send_transaction=_scrub_event,
        before_breadcrumb=_scrub_breadcrumb,
    )
    ignore_logger(IGNORED_LOGGERS)


def _scrub_event(event: Event, hint: Hint) -> Event:
    """Keep only allowed event fields, and add request, delivery, user and job ids."""
    bound, record = get_contextvars(), hint.get("log_record")
    job = getattr(record, "job", None)
    kept: Any = {name: value for name, value in event.items() if name in ALLOWED_FIELDS}
    kept["contexts"] = {name: value for name, value in event.get("contexts", {}).items() if name in ALLOWED_CONTEXTS}
    kept["contexts"].get("trace", {}).pop("data", None)
    kept["tags"] = {name: str(bound[name]) for name in TAGS if name in bound}
    if "user_id" in bound:
        kept["user"] = {"id": str(bound["user_id"])}
    if isinstance(job, dict):  # Procrastinate sets this on its record about the end of a job.
        kept["tags"] |= {"job": str(job["task_name"]), "job_id": str(job["id"])}
    if "job" in kept["tags"]:
        kept["transaction"] = kept["tags"]["job"]
    if error := (hint.get("exc_info") or (None, None))[1]:
        kept["tags"]["error_group"] = identify(error).key
    if record is not None:
        kept["logentry"] = {"message": redaction.redact_text(str(record.msg))}
    for value in kept.get("exception", {}).get("values", []):
        value["value"] = redaction.redact_error(value.get("value") or "")
    kept["spans"] = [_scrub_span(span) for span in kept.get("spans", [])]
    scrubbed: Event = kept
    return scrubbed


def _scrub_span(span: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in span.items() if name in ALLOWED_SPAN_FIELDS}
    if str(kept.get("op", "")).startswith("http"):
        kept.pop("description", None)  # This is a URL, which can contain a user id.
    return kept


def _scrub_breadcrumb(crumb: Breadcrumb, hint: BreadcrumbHint) -> Breadcrumb | None:
    """Keep log messages and SQL statements without their parameters, and drop other breadcrumbs."""
    record = hint.get("log_record")
    message = str(record.msg) if record is not None else str(crumb.get("message") or "")
    if record is None and crumb.get("category") != "query":
        return None
    kept = {name: crumb[name] for name in ("type", "category", "level", "timestamp") if name in crumb}
    return kept | {"message": redaction.redact_text(message)}
