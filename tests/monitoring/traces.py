"""Traces and metrics exported by a running web server over OTLP.

The module is not named test_*, because it needs the packages of requirements/otel.txt. `make monitoring` runs it.
"""

import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from accounts.clerk import samples
from config import telemetry
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn, wait_until
from tests.helpers.webhooks import Svix, person

pytestmark = pytest.mark.django_db(transaction=True)

WEBHOOK = "^api/webhooks/clerk/?$"


class Collector:
    """Stores the spans and metrics posted over OTLP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.receive(self.path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def receive(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        else:
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [metric for scope in resource.scope_metrics for metric in scope.metrics]

    def trace_of(self, name: str) -> list[Any]:
        """Return the spans of the trace with this request name."""
        [trace_id] = {span.trace_id for span in self.spans if span.name == name}
        return [span for span in self.spans if span.trace_id == trace_id]


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    Thread(target=collector.server.serve_forever, args=(0.02,), daemon=True).start()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture
def site(collector: Collector, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    options = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
    }
    with (
        gunicorn(database_url, tmp_path / "log", workers=1, configuration=WITHOUT_ALERT_THREAD, **options) as url,
        httpx.Client(base_url=url, timeout=15, trust_env=False) as client,
    ):
        yield client


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_webhook_trace_contains_statements_but_no_personal_data(site: httpx.Client, collector: Collector) -> None:
    zofia = person(first_name="Zofia", email="zofia@example.com")
    for number in range(2):
        answer = Svix(site).deliver(samples.user_event("user.created", zofia), f"msg_{number}")
        assert answer.json() == {"outcome": "processed"}
    site.get(
        "/builders/?q=secret-search", headers={"authorization": "Bearer secret-token", "cookie": "a=secret-cookie"}
    )
    wait_until(lambda: any(span.name.startswith("GET") for span in collector.spans), "no span of the search arrived")
    wait_until(lambda: collector.metrics, "no metrics arrived")

    posts = [span for span in collector.spans if span.name == f"POST {WEBHOOK}"]
    assert len(posts) == 2
    assert attributes(posts[0]) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": WEBHOOK,
        "url.scheme": "http",
    }
    children = [span for span in collector.spans if span.parent_span_id == posts[1].span_id]
    texts = [attributes(span).get("db.query.text") or attributes(span).get("db.statement") for span in children]
    assert any("INSERT INTO" in text for text in texts if text), texts
    sent = "\n".join(map(str, [*collector.spans, *collector.metrics]))
    for secret in ("secret-", "Zofia", "zofia@", zofia.clerk_id, "msg_", "127.0.0.1", "python-httpx", "traceback"):
        assert secret not in sent, secret


def test_probes_are_not_traced(site: httpx.Client, collector: Collector) -> None:
    site.get("/healthz")
    site.get("/builders/")
    wait_until(lambda: collector.spans, "no span arrived")
    assert not [span.name for span in collector.spans if "healthz" in span.name or "readyz" in span.name]


def test_exceptions_are_sent_without_their_messages() -> None:
    tracer = TracerProvider().get_tracer("test")
    with pytest.raises(ValueError), tracer.start_as_current_span("job") as current:  # noqa: PT011  # the message is irrelevant
        raise ValueError("olive@example.com")
    span: Any = current  # the SDK creates readable spans
    sent = telemetry.without_personal_data(span)
    assert [dict(event.attributes or {}) for event in sent.events] == [{"exception.type": "ValueError"}]
    assert (sent.status.status_code, sent.status.description) == (StatusCode.ERROR, None)
    assert "olive" not in json.dumps(json.loads(sent.to_json()))


def test_literals_in_statements_are_removed() -> None:
    query = telemetry._allowed({"db.statement": "SELECT 'olive''s' FROM t WHERE a = $1"}, SpanKind.CLIENT)
    assert query == {"db.statement": "SELECT '…' FROM t WHERE a = $1"}
