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
from core.db import timeouts
from tests.helpers.clients import signed_in, with_password
from tests.helpers.factories import UserFactory
from tests.helpers.locks import short_lock_timeout
from tests.helpers.servers.receiver import running_receiver
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.jobs.rows import create_job
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
    with short_lock_timeout():
        yield operator


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


def test_alert_is_sent_while_the_failures_of_channels_are_locked(
    operator: Client, database_url: str, settings: Settings
) -> None:
    event(timezone.now(), state="dead", processed_at=None)
    with running_receiver() as receiver, locked("webhooks_channelfailure", database_url):
        settings.ALERT_URLS = [receiver.url]
        alerts.check()
        assert "[Opened] Dead events need attention" in receiver.titles
    assert not Alert.objects.get(rule=Rule.DEAD_EVENTS).notifications.unsent().exists()


LOCKED_TABLES = (
    *TABLES,
    "accounts_user",
    "procrastinate_workers",
    "accounts_identityconflict",
    "webhooks_alert",
    "webhooks_eventcount",
)


@pytest.mark.parametrize("table", LOCKED_TABLES)
def test_dashboard_shows_what_could_not_be_read(operator: Client, database_url: str, table: str) -> None:
    operator.get(DASHBOARD)
    with locked(table, database_url):
        started = monotonic()
        response = operator.get(DASHBOARD)
        duration_s = monotonic() - started
    text = response.content.decode()
    assert response.status_code == 200
    assert f"The table {table} is locked" in response.context["overall_status"].text
    assert response.context["overall_status"].level == "bad"
    assert "All systems operational" not in text
    assert "Nothing needs attention" not in text
    assert "could not be read" in text or "could not be checked" in text
    assert duration_s < 5
    text = operator.get(DASHBOARD).content.decode()
    assert "could not be" not in text
    assert "is locked" not in text


def test_slow_statement_is_shown_as_unread(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that times out without a lock, for example because the disk is slow."""

    def time_out(*args: object, **kwargs: object) -> None:
        with timeouts.short_timeouts(lock_ms=50, statement_ms=50), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.2)")

    monkeypatch.setattr("core.db.page_parts.STATEMENT_TIMEOUT_MS", 50)
    monkeypatch.setattr("webhooks.monitoring.dashboard.counts.fetch_counts", time_out)
    response = operator.get(DASHBOARD)
    assert response.status_code == 200
    assert "Event counts: could not be checked" in response.context["overall_status"].text


@pytest.mark.parametrize("table", LOCKED_TABLES)
def test_pages_respond_or_name_the_locked_table(operator: Client, database_url: str, table: str) -> None:
    operator.get(DASHBOARD)
    with locked(table, database_url):
        for page in PAGES:
            response = operator.get(page)
            text = response.content.decode()
            assert response.status_code in (200, 503), page
            assert "All systems operational" not in text
            if response.status_code == 503 and page.startswith("/admin/"):
                assert f"<code>{table}</code> is locked by the database process" in text, page
                assert "pg_terminate_backend" in text, page
            elif response.status_code == 503:
                assert "temporarily unavailable" in text, page


@pytest.mark.parametrize(("page", "table"), (("webhookevent", "accounts_user"), ("job", "procrastinate_events")))
def test_list_is_shown_without_details_from_a_locked_table(
    operator: Client, database_url: str, page: str, table: str
) -> None:
    event(timezone.now(), clerk_user_id="user_1")
    create_job()
    operator.get(DASHBOARD)
    with locked(table, database_url):
        response = operator.get(f"/admin/webhooks/{page}/")
    assert response.status_code == 200
    assert len(response.context["cl"].result_list) == 1
    assert "Names and other details are missing" in response.content.decode()


class TestRecentOperators:
    """The copies of operators that are used while the table of users is locked."""

    def test_operator_without_a_copy_gets_the_locked_table(self, operator: Client, database_url: str) -> None:
        with locked("accounts_user", database_url):
            response = operator.get(DASHBOARD)
        assert response.status_code == 503
        assert "<code>accounts_user</code> is locked" in response.content.decode()

    def test_copy_changes_nothing_and_is_used_only_in_the_admin(self, operator: Client, database_url: str) -> None:
        alert = Alert.objects.create(rule="dead_events", summary="x", value=1, notified_value=1, worst_value=1)
        operator.get(DASHBOARD)
        with locked("accounts_user", database_url):
            action = operator.post(f"/admin/webhooks/alert/{alert.pk}/action/", {"action": "acknowledge"})
            account = operator.get("/account/")
        assert action.status_code == 503
        assert account.status_code != 200
        assert Alert.objects.get().acknowledged_at is None

    def test_copy_expires(self, operator: Client, database_url: str) -> None:
        operator.get(DASHBOARD)
        with locked("accounts_user", database_url), time_machine.travel(timezone.now() + timedelta(minutes=16)):
            assert operator.get(DASHBOARD).status_code == 503

    def test_permission_that_was_revoked_is_lost_as_soon_as_the_lock_ends(
        self, operator: Client, database_url: str
    ) -> None:
        browser = signed_in(UserFactory.create(admin=True))
        for client in (operator, browser):
            client.get(DASHBOARD)
        with locked("accounts_user", database_url):
            assert [client.get(DASHBOARD).status_code for client in (operator, browser)] == [200, 200]
        User.objects.update(is_superuser=False, roles=[])
        assert 200 not in [client.get(DASHBOARD).status_code for client in (operator, browser)]

    def test_later_requests_do_not_wait_long_for_the_lock(
        self, operator: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        operator.get(DASHBOARD)
        with locked("accounts_user", database_url):
            operator.get(DASHBOARD)
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20s'")
            started = monotonic()
            assert operator.get(DASHBOARD).status_code == 200
        assert monotonic() - started < 10

    def test_copy_belongs_to_one_session(self, operator: Client, database_url: str) -> None:
        operator.get(DASHBOARD)
        with locked("accounts_user", database_url):
            assert Client(raise_request_exception=False).get(DASHBOARD).status_code in (302, 503)

    def test_admin_from_clerk_has_a_copy(self, operator: Client, database_url: str) -> None:
        browser = signed_in(UserFactory.create(admin=True))
        browser.raise_request_exception = False
        browser.get(DASHBOARD)
        with locked("accounts_user", database_url):
            assert browser.get(DASHBOARD).status_code == 200


def test_clock_jump_neither_resolves_alerts_nor_reports_ok() -> None:
    """Rules with measurements from the future or the distant past stay broken or become unknown."""
    event(timezone.now(), state="dead", processed_at=None)
    assert Rule.DEAD_EVENTS in {alert.rule for alert in alerts.check()}
    for jump in (timedelta(days=-2), timedelta(hours=-1), timedelta(hours=1), timedelta(days=2)):
        with time_machine.travel(timezone.now() + jump, tick=False):
            assert Rule.DEAD_EVENTS in {alert.rule for alert in alerts.check()}, jump
            assert "Action needed." in with_password().get(DASHBOARD).content.decode(), jump
    assert Rule.DEAD_EVENTS in {alert.rule for alert in alerts.check()}
