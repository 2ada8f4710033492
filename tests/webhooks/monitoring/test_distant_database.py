"""Monitoring and the endpoint with a database that takes a second to answer each statement."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from config.database import close_pools
from tests.helpers.clients import with_password
from tests.helpers.servers.tcp_proxy import TcpProxy
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.models import Alert
from webhooks.monitoring import alerts

pytestmark = pytest.mark.django_db(transaction=True)

Rule = Alert.Rule
SECOND = timedelta(seconds=1)
DASHBOARD = "/admin/webhooks/dashboard/"


@pytest.fixture
def distant(monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """Connect through a proxy that delays and counts each round trip to the database."""
    config = connection.settings_dict
    host, port = config["HOST"], int(config["PORT"] or 5432)
    with TcpProxy([Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else port]) as proxy:
        with monkeypatch.context() as patch:
            patch.setitem(config, "HOST", "127.0.0.1")
            patch.setitem(config, "PORT", str(proxy.port))
            close_pools()
            connection.ensure_connection()
            proxy.delay_s = 0.005
            yield proxy
        close_pools()


def test_alerts_open_although_each_statement_takes_a_second(distant: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock moves forward by a second with each round trip."""
    event(timezone.now(), state="dead", processed_at=None)
    event(timezone.now() - timedelta(hours=1), state="failed", processed_at=None, next_attempt_at=timezone.now())
    started, before = timezone.now(), distant.requests
    monkeypatch.setattr(timezone, "now", lambda: started + (distant.requests - before) * SECOND)
    opened = {alert.rule for alert in alerts.check()}
    assert opened >= {Rule.DEAD_EVENTS, Rule.OLDEST_UNSETTLED, Rule.WORKER_GONE}
    assert distant.requests - before <= 120


@pytest.mark.parametrize(
    ("page", "limit"), ((DASHBOARD, 45), ("/admin/webhooks/alert/", 10), ("/admin/webhooks/job/", 10), ("/metrics", 40))
)
def test_page_needs_few_round_trips(distant: TcpProxy, page: str, limit: int) -> None:
    operator = with_password()
    before = distant.requests
    response = operator.get(page)
    assert (response.status_code, distant.requests - before <= limit) == (200, True), distant.requests - before
    assert "All systems operational" not in response.content.decode()


def test_delivery_is_answered_before_svix_times_out(distant: TcpProxy, webhook: WebhookClient) -> None:
    """Svix waits 15 seconds."""
    webhook.created(person())
    before = distant.requests
    assert webhook.created(person()) == "processed"
    assert distant.requests - before < 15
