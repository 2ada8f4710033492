"""OpenTelemetry is off by default. tests/monitoring/traces.py tests the exported data."""

import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment
from config.environment import BASE_DIR, env, otlp_endpoint


def test_packages_are_not_imported_by_default() -> None:
    script = (
        "import django, sys; django.setup(); print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=BASE_DIR)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("value", ("localhost:4318", "grpc://localhost:4317", "http://", "/v1/traces"))
def test_invalid_endpoint_is_rejected(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setitem(env.ENVIRON, "OTEL_EXPORTER_OTLP_ENDPOINT", value)
    with pytest.raises(ImproperlyConfigured, match=r"OTEL_EXPORTER_OTLP_ENDPOINT must be the URL of a collector"):
        otlp_endpoint()


def test_missing_packages_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(env.ENVIRON, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"pip install --require-hashes -r requirements/otel\.txt"):
        otlp_endpoint()


def test_packages_are_not_installed_with_the_base_requirements() -> None:
    assert "opentelemetry" not in (BASE_DIR / "requirements" / "base.txt").read_text()
