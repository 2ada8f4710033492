"""Errors of the web servers and the workers, told to Sentry without anything about people.

What is sent is listed, not filtered: integrations by name, and of each event the parts that are known to be harmless.
Requests that were refused (a bad signature, a forged form, a strange host, a page that is not there) are no errors.
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

#: What somebody else did wrong, which Django logs as errors.
REFUSED = "django.security.*"
#: Of an event, everything else is left out: bodies, headers, cookies, variables, arguments, addresses.
PARTS = (
    *("event_id", "timestamp", "type", "platform", "level", "logger", "sdk", "release", "environment", "server_name"),
    *("transaction", "transaction_info", "start_timestamp", "exception", "logentry", "breadcrumbs", "fingerprint"),
    *("contexts", "spans", "debug_meta"),
)
CONTEXTS = ("trace", "runtime")
SPAN = (
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
#: Bound for the logs, too; see config.logs.
TAGS = ("request_id", "delivery_id", "job", "job_id")


def start(dsn: str, *, release: str, environment: str, traces_sample_rate: float = 0) -> None:
    """Begin to tell errors, and how long things took if a share of them is asked for."""
    sentry_sdk.init(
        dsn,
        release=release or None,
        environment=environment,
        traces_sample_rate=traces_sample_rate or None,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(transaction_style="url", middleware_spans=False),
            # A failing job is logged once as an error, when its last attempt failed, so jobs need no integration.
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
        trace_propagation_targets=[],  # Clerk is not told about our traces
        before_send=_harmless,
        before_send_transaction=_harmless,
        before_breadcrumb=_harmless_crumb,
    )
    ignore_logger(REFUSED)


def _harmless(event: Event, hint: Hint) -> Event:
    """Return what may be sent of an event, and what it was about by id."""
    bound, record = get_contextvars(), hint.get("log_record")
    job = getattr(record, "job", None)
    kept: Any = {name: value for name, value in event.items() if name in PARTS}
    kept["contexts"] = {name: value for name, value in event.get("contexts", {}).items() if name in CONTEXTS}
    kept["contexts"].get("trace", {}).pop("data", None)
    kept["tags"] = {name: str(bound[name]) for name in TAGS if name in bound}
    if "user_id" in bound:
        kept["user"] = {"id": str(bound["user_id"])}
    if isinstance(job, dict):  # Procrastinate's line about the end of a job
        kept["tags"] |= {"job": str(job["task_name"]), "job_id": str(job["id"])}
    if "job" in kept["tags"]:
        kept["transaction"] = kept["tags"]["job"]
    if record is not None:
        kept["logentry"] = {"message": redaction.redact_text(str(record.msg))}
    for error in kept.get("exception", {}).get("values", []):
        error["value"] = redaction.redact_error(error.get("value") or "")
    kept["spans"] = [_harmless_span(span) for span in kept.get("spans", [])]
    harmless: Event = kept
    return harmless


def _harmless_span(span: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in span.items() if name in SPAN}
    if str(kept.get("op", "")).startswith("http"):
        kept.pop("description", None)  # an address, with whom it is about
    return kept


def _harmless_crumb(crumb: Breadcrumb, hint: BreadcrumbHint) -> Breadcrumb | None:
    """Return what led to an error: lines of the log before their values are put in, and SQL likewise."""
    record = hint.get("log_record")
    message = str(record.msg) if record is not None else str(crumb.get("message") or "")
    if record is None and crumb.get("category") != "query":
        return None
    kept = {name: crumb[name] for name in ("type", "category", "level", "timestamp") if name in crumb}
    return kept | {"message": redaction.redact_text(message)}
