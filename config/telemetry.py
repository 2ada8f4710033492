"""Send traces and metrics to an OpenTelemetry collector without personal data.

This module is imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set, because its packages are optional and slow to
import. Only allow-listed attributes are sent. URLs, headers, query strings, SQL parameters, IP addresses and exception
messages are dropped.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor, _new_cursor_factory
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, _get_from_env_or_default
from opentelemetry.trace import SpanKind, Status
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from psycopg import Cursor

from core.db import statements

SERVICE = "buildappswith"
#: Makes OpenTelemetry use its stable attribute names.
STABLE_NAMES = ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
PROBES = "healthz,readyz,metrics"
SHARED_ATTRIBUTES = frozenset(
    {"http.request.method", "http.response.status_code", "http.route", "url.scheme", "error.type"}
)
DATABASE_ATTRIBUTES = frozenset(
    {"db.system", "db.system.name", "db.name", "db.namespace", "db.statement", "db.query.text", "db.operation.name"}
)
#: Sent only for outgoing requests. For incoming requests, the client chooses the host name.
CLIENT_ATTRIBUTES = frozenset({"server.address", "server.port"})
STATEMENTS = ("db.statement", "db.query.text")
#: String literals in SQL. Our own statements contain only constants, but libraries may insert values.
LITERAL = re.compile(r"'(?:[^']|'')*'")
EXCEPTION_TYPE = "exception.type"


def start() -> None:
    """Start exporting, and instrument Django, psycopg and httpx. Call this before Django loads its middleware."""
    os.environ.setdefault(*STABLE_NAMES)
    # The default also includes the baggage propagator, which would forward text from clients to Clerk.
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", SERVICE)})
    provider = TracerProvider(sampler=cast("Sampler", RequestSampler(_get_from_env_or_default())), resource=resource)
    provider.add_span_processor(BatchSpanProcessor(cast("SpanExporter", AllowListExporter(OTLPSpanExporter()))))
    trace.set_tracer_provider(provider)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    views = [View(instrument_name="*", attribute_keys=set(SHARED_ATTRIBUTES))]
    metrics.set_meter_provider(MeterProvider([reader], resource=resource, views=views))
    DjangoInstrumentor().instrument(excluded_urls=PROBES)
    PsycopgInstrumentor().instrument()
    HTTPXClientInstrumentor().instrument()
    statements.hot_cursor_class = _new_cursor_factory(base_factory=Cursor)


@contextmanager
def job_span(task_name: str) -> Iterator[None]:
    """Trace a background job, so that all the job's statements are in one trace."""
    with trace.get_tracer(SERVICE).start_as_current_span(task_name, kind=SpanKind.CONSUMER):
        yield


class RequestSampler:
    """Drop SQL statements and HTTP calls outside a request or job, such as polling by the worker."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def should_sample(
        self, parent_context: Any, trace_id: int, name: str, kind: SpanKind | None = None, *args: Any, **kwargs: Any
    ) -> SamplingResult:
        has_parent = trace.get_current_span(parent_context).get_span_context().is_valid
        if kind == SpanKind.CLIENT and not has_parent:
            return SamplingResult(Decision.DROP)
        return self.sampler.should_sample(parent_context, trace_id, name, kind, *args, **kwargs)

    def get_description(self) -> str:
        return f"RequestSampler({self.sampler.get_description()})"


class AllowListExporter:
    """Export only allow-listed attributes."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.exporter.export([without_personal_data(span) for span in spans])

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        is_flushed: bool = self.exporter.force_flush(timeout_millis)
        return is_flushed


def without_personal_data(span: ReadableSpan) -> ReadableSpan:
    """Return a copy with only allow-listed attributes and exception types."""
    events = [
        Event(event.name, {EXCEPTION_TYPE: event.attributes[EXCEPTION_TYPE]}, event.timestamp)
        for event in span.events
        if event.attributes and EXCEPTION_TYPE in event.attributes
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_allowed(span.attributes or {}, span.kind),
        events=events,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _allowed(attributes: Mapping[str, Any], kind: SpanKind) -> dict[str, Any]:
    names = SHARED_ATTRIBUTES | DATABASE_ATTRIBUTES | (CLIENT_ATTRIBUTES if kind == SpanKind.CLIENT else frozenset())
    kept = {name: value for name, value in attributes.items() if name in names}
    return kept | {name: LITERAL.sub("'…'", kept[name]) for name in STATEMENTS if name in kept}
