"""A clock that was ahead leaves times in the future. They never hide a problem or delay a notification."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from pytest_django import Settings

from accounts.models import Reconciliation
from audit.models import AuditVerification
from tests.helpers.servers.receiver import running_receiver
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.doctor import runner
from webhooks.models import Alert, AlertCheck, CheckResult, WebhookEvent
from webhooks.monitoring import alerts, rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.signals import Signal

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AHEAD = 2 * DAY


def open_rules_at(moment: datetime) -> list[str]:
    with time_machine.travel(moment, tick=False):
        return [alert.rule for alert in alerts.check() if alert.rule == Alert.Rule.DEAD_EVENTS]


def signal_of(rule: Alert.Rule) -> Signal:
    with time_machine.travel(NOW, tick=False):
        return rules.evaluate(measure())[rule]


def dead_event() -> None:
    event(NOW, state="dead", processed_at=None)


def reconciled(finished_at: datetime, **counts: int) -> None:
    Reconciliation.objects.create(
        kind="recent", state="finished", started_at=finished_at, finished_at=finished_at, **counts
    )


def test_problem_opens_an_alert_after_an_alert_was_resolved_in_the_future(settings: Settings) -> None:
    with running_receiver() as receiver:
        settings.ALERT_URLS = [receiver.url]
        dead_event()
        assert open_rules_at(NOW + AHEAD) != []
        WebhookEvent.objects.all().delete()
        for minutes in (1, 7):
            open_rules_at(NOW + AHEAD + minutes * MINUTE)
        dead_event()
        assert open_rules_at(NOW) == [Alert.Rule.DEAD_EVENTS]
        assert receiver.titles.count("[Opened] Dead events need attention") == 2


def test_failed_notification_does_not_wait_for_a_time_in_the_future(settings: Settings) -> None:
    with running_receiver() as receiver:
        settings.ALERT_URLS, receiver.status = [receiver.url], 500
        dead_event()
        open_rules_at(NOW + AHEAD)
        receiver.status = 200
        receiver.messages.clear()
        open_rules_at(NOW)
        assert "[Opened] Dead events need attention" in receiver.titles


def test_web_servers_evaluate_the_rules_if_the_last_evaluation_is_in_the_future() -> None:
    AlertCheck.objects.create(pk=1, checked_at=NOW + AHEAD, completed_at=NOW + AHEAD)
    assert alerts.is_overdue(NOW)


def test_check_result_from_the_future_is_ignored_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    CheckResult.objects.create(name="mail", state="passed", summary="", checked_at=NOW + AHEAD)
    assert signal_of(Alert.Rule.DIAGNOSTICS).state == "unknown"
    started: list[str] = []
    monkeypatch.setattr(runner, "run", started.extend)
    with time_machine.travel(NOW, tick=False):
        runner.run_due()
    assert "mail" in started


def test_reconciliation_from_the_future_hides_no_drift(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_any"
    reconciled(NOW + AHEAD)
    assert signal_of(Alert.Rule.DRIFT).state == "unknown"
    reconciled(NOW - 3 * HOUR)
    assert signal_of(Alert.Rule.DRIFT).causes == ("not_compared",)
    reconciled(NOW, unrepaired=2)
    assert signal_of(Alert.Rule.DRIFT).causes == ("still_differ",)


def test_verification_from_the_future_does_not_count_as_the_last_one() -> None:
    for finished_at in (NOW - 5 * DAY, NOW + AHEAD):
        AuditVerification.objects.create(
            started_at=finished_at, finished_at=finished_at, seal_count=1, row_count=1, erased_count=0
        )
    assert signal_of(Alert.Rule.AUDIT_CHAIN).causes == ("not_verified",)
