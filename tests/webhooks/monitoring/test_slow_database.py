"""Monitoring with a slow or locked database or a jumping clock never reports that everything is OK."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from types import SimpleNamespace

import psycopg
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import User
from tests.helpers.clients import with_password
from tests.helpers.receiver import running_receiver
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.inbox.rejections import rejection_counter
from webhooks.models import Alert
from webhooks.monitoring import alerts, rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.notifications import services as notifications
from webhooks.tasks import check_alerts

pytestmark = pytest.mark.django_db(transaction=True)

Rule = Alert.Rule
GIB = 1024**3
ALERT_CHECK_PERIOD_S = 15
DASHBOARD = "/admin/webhooks/dashboard/"
PAGES = (DASHBOARD, "/admin/webhooks/alert/", "/admin/webhooks/webhookevent/", "/admin/webhooks/job/", "/metrics")
#: Tables, and a rule that reads each table.
TABLES = {
    "webhooks_webhookevent": Rule.DEAD_EVENTS,
    "webhooks_rejectioncount": Rule.REJECTED,
    "accounts_metadatapush": Rule.PUSHES,
    "accounts_clerkratelimit": Rule.CLERK,
    "procrastinate_jobs": Rule.JOBS,
    "audit_auditverification": Rule.AUDIT_CHAIN,
}


@pytest.fixture
def operator() -> Iterator[Client]:
    """Return an operator client with a short lock timeout."""
    operator = with_password(raise_request_exception=False)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '50ms'")
    yield operator
    connection.close()


@contextmanager
def locked(table: str, database_url: str) -> Iterator[None]:
    with psycopg.connect(database_url) as session:
        session.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("table", TABLES)
def test_locked_table_makes_only_its_rules_unknown(
    operator: Client, database_url: str, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=100 * GIB, free=0))
    with locked(table, database_url):
        signals = rules.evaluate(measure())
        open_rules = {alert.rule for alert in alerts.check()}
    assert signals[TABLES[table]].state == "unknown"
    assert Rule.DISK_SPACE in open_rules


@pytest.mark.parametrize("table", ("accounts_user", "webhooks_webhookevent"))
def test_alert_about_503_is_sent_while_a_table_is_locked(
    operator: Client, webhook: WebhookClient, database_url: str, settings: Settings, table: str
) -> None:
    with running_receiver() as receiver, locked(table, database_url):
        settings.ALERT_URLS = [receiver.url]
        for _ in range(3):
            assert webhook.post(samples.user_event("user.created", person())).status_code == 503
        rejection_counter.flush()
        started = monotonic()
        check_alerts(0)
        duration_s = monotonic() - started
        assert "[Opened] Deliveries are answered with 503" in receiver.titles
    assert duration_s < ALERT_CHECK_PERIOD_S / 2


def test_notification_of_a_manual_resolution_is_sent_while_users_are_locked(
    operator: Client, database_url: str, settings: Settings
) -> None:
    with running_receiver() as receiver:
        settings.ALERT_URLS = [receiver.url]
        event(timezone.now(), state="dead", processed_at=None)
        alerts.check()
        alert = Alert.objects.get(rule=Rule.DEAD_EVENTS)
        operator.post(f"/admin/webhooks/alert/{alert.pk}/action/", {"action": "resolve"})
        name = User.objects.get().display_name
        with locked("accounts_user", database_url):
            notifications.send_due()
        assert f"Resolved by {name} at" in receiver.messages[-1]["message"]


@pytest.mark.parametrize("table", TABLES)
def test_pages_respond_or_report_the_database_while_a_table_is_locked(
    operator: Client, database_url: str, table: str
) -> None:
    with locked(table, database_url):
        for page in PAGES:
            response = operator.get(page)
            text = response.content.decode()
            assert response.status_code in (200, 503), page
            assert "All systems operational" not in text
            if response.status_code == 503:
                assert "temporarily unavailable" in text, page


def test_clock_jump_neither_resolves_alerts_nor_reports_ok() -> None:
    """Rules with measurements from the future or the distant past stay broken or become unknown."""
    event(timezone.now(), state="dead", processed_at=None)
    assert Rule.DEAD_EVENTS in {alert.rule for alert in alerts.check()}
    for jump in (timedelta(days=-2), timedelta(hours=-1), timedelta(hours=1), timedelta(days=2)):
        with time_machine.travel(timezone.now() + jump, tick=False):
            assert Rule.DEAD_EVENTS in {alert.rule for alert in alerts.check()}, jump
            assert "Action needed." in with_password().get(DASHBOARD).content.decode(), jump
    assert Rule.DEAD_EVENTS in {alert.rule for alert in alerts.check()}
