"""The dashboard, alerts, metrics and commands all use the same signals, so they always agree."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ClerkRateLimit, Reconciliation
from audit.models import AuditVerification
from tests.config.test_metrics import scrape
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.doctor import state as doctor
from webhooks.models import AggregationProgress, Alert, CheckResult
from webhooks.monitoring import alerts, overall_status, rules
from webhooks.monitoring.health import Health, measure
from webhooks.monitoring.overall_status import Level
from webhooks.monitoring.signals import SEVERITY, Signal, State, broken, degraded, unknown

pytestmark = pytest.mark.django_db

LEVELS = {
    State.WELL: Level.GOOD,
    State.UNKNOWN: Level.UNKNOWN,
    State.DEGRADED: Level.ATTENTION,
    State.BROKEN: Level.BAD,
}
SIGNALS = {
    State.WELL: Signal(),
    State.UNKNOWN: unknown("No data"),
    State.DEGRADED: degraded("Slow", "It is slow."),
    State.BROKEN: broken("It is broken.", 1),
}


@pytest.fixture
def everything_well(monkeypatch: pytest.MonkeyPatch) -> None:
    for rule in rules.RULES:
        monkeypatch.setitem(rules.RULES, rule, lambda health: Signal())


@pytest.mark.usefixtures("everything_well")
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("rule", Alert.Rule)
def test_every_reader_agrees_on_the_state_of_a_signal(
    rule: Alert.Rule, state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(rules.RULES, rule, lambda health: SIGNALS[state])
    opened = [alert.rule for alert in alerts.check()]
    status = overall_status.summarize(rules.evaluate(measure()), Alert.objects.open(), timezone.now())
    samples = scrape()
    assert opened == ([rule] if state == State.BROKEN else [])
    assert status.level == LEVELS[state]
    assert samples["signal", rule] == samples["health",] == SEVERITY[state]
    assert samples["alert_open", rule] == (state == State.BROKEN)
    try:
        call_command("check_alerts")
    except SystemExit:
        assert state == State.BROKEN
    assert (rule in capsys.readouterr().out) == (state != State.WELL)
    assert bool(doctor.check_signals().problem) == (state == State.BROKEN)


def test_every_rule_has_a_function() -> None:
    assert set(rules.RULES) == set(Alert.Rule)


def test_rule_that_raises_is_unknown_and_keeps_its_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.RULES, Alert.Rule.SILENCE, lambda health: SIGNALS[State.BROKEN])
    alerts.check()

    def failing(health: Health) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setitem(rules.RULES, Alert.Rule.SILENCE, failing)
    assert rules.evaluate(measure())[Alert.Rule.SILENCE].state == State.UNKNOWN
    alerts.check()
    assert Alert.objects.get(rule=Alert.Rule.SILENCE).ok_since is None


def test_healthy_site_with_data_is_well(settings: Settings) -> None:
    now = timezone.now()
    settings.CLERK_SECRET_KEY = "sk_test_x"
    ClerkRateLimit.objects.create(name="instance", next_slot_at=now, probed_at=now)
    Reconciliation.objects.create(kind="recent", state="finished", started_at=now, finished_at=now)
    event(now)
    CheckResult.objects.create(name="mail", state="passed", checked_at=now)
    CheckResult.objects.create(name="clerk_api", state="passed", checked_at=now, facts={"instance_ids": ["ins_2ours"]})
    AggregationProgress.objects.create(aggregated_at=now)
    AuditVerification.objects.create(started_at=now, finished_at=now, seal_count=1, row_count=9, erased_count=0)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    status = overall_status.summarize(rules.evaluate(measure()), [], now)
    assert (status.level, status.text) == (Level.GOOD, "All systems operational.")
