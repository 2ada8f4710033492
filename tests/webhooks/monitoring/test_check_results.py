"""Signals that read the stored results of the diagnostic checks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import Alert, CheckResult
from webhooks.monitoring.health import measure
from webhooks.monitoring.rules import RULES

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def state_of(rule: Alert.Rule) -> str:
    with time_machine.travel(NOW, tick=False):
        return RULES[rule](measure()).state


def store(name: str, state: str = "failed", age: timedelta = timedelta(minutes=5), **facts: Any) -> None:
    CheckResult.objects.create(name=name, state=state, summary=f"{name}.", checked_at=NOW - age, facts=facts)


@pytest.mark.parametrize(
    ("name", "state", "expected"),
    (
        ("mail", "failed", "broken"),
        ("hosts", "failed", "broken"),
        ("mail", "passed", "well"),
        ("mail", "skipped", "well"),
        ("own_endpoint", "failed", "degraded"),
        ("pushes", "failed", "unknown"),
    ),
)
def test_failed_checks_without_another_rule_are_reported(name: str, state: str, expected: str) -> None:
    store(name, state)
    assert state_of(Alert.Rule.DIAGNOSTICS) == expected


@pytest.mark.parametrize(("days", "expected"), ((-1, "broken"), (2, "broken"), (10, "degraded")))
def test_certificate_is_reported_before_it_expires(days: int, expected: str) -> None:
    store("own_certificate", expires_at=(NOW + days * DAY).isoformat())
    assert state_of(Alert.Rule.DIAGNOSTICS) == expected


def test_every_failure_is_reported_at_once() -> None:
    store("live_site", "skipped")
    store("hosts")
    store("mail")
    store("own_endpoint")
    with time_machine.travel(NOW, tick=False):
        signal = RULES[Alert.Rule.DIAGNOSTICS](measure())
    assert (signal.state, signal.summary, signal.causes) == ("broken", "hosts. mail. own_endpoint.", ("hosts", "mail"))


def test_old_results_are_unknown() -> None:
    store("mail", age=timedelta(hours=2))
    assert state_of(Alert.Rule.DIAGNOSTICS) == "unknown"


@pytest.mark.parametrize(
    ("state", "facts", "expected"),
    (("failed", {"offset_s": 600.0}, "broken"), ("failed", {}, "well"), ("passed", {"offset_s": 0.2}, "well")),
)
def test_clock_offset_from_clerk_is_reported_without_deliveries(
    state: str, facts: dict[str, Any], expected: str
) -> None:
    """A check that could not reach Clerk has no offset, which does not indicate a wrong clock."""
    event(NOW - DAY)
    store("clerk_clock", state, **facts)
    assert state_of(Alert.Rule.CLOCK) == expected
