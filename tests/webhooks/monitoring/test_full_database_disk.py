"""A full disk of the database: PostgreSQL reads, but raises SQLSTATE 53100 (disk_full) when it needs another page."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts.clerk import samples
from tests.helpers.clients import with_password
from tests.helpers.webhooks import WebhookClient, person
from webhooks.inbox.rejections import rejection_counter
from webhooks.models import Alert, RejectedRequest, RejectionCount, WebhookEvent
from webhooks.monitoring import alerts, overall_status, rules
from webhooks.monitoring.health import measure
from webhooks.monitoring.overall_status import Level

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)
TABLES = ("webhooks_webhookevent", "webhooks_rejectioncount", "webhooks_alert", "webhooks_alertcheck")
FILL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
"""
TRIGGER = (
    "CREATE TRIGGER disk_is_full BEFORE INSERT OR UPDATE ON {} FOR EACH STATEMENT EXECUTE FUNCTION disk_is_full();"
)


@contextmanager
def full_disk() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(FILL + "".join(TRIGGER.format(table) for table in TABLES))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION disk_is_full CASCADE")


@pytest.fixture(autouse=True)
def no_earlier_rejections(transactional_db: None) -> None:
    """Discard what earlier tests have counted in this process."""
    rejection_counter.flush()
    RejectionCount.objects.all().delete()
    RejectedRequest.objects.all().delete()


@pytest.fixture(autouse=True)
def worker(no_earlier_rejections: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")
    with time_machine.travel(timezone.now() - 10 * MINUTE, tick=False):
        alerts.check()
    alerts.check()


def test_delivery_is_answered_with_503_and_counted_after_the_repair(webhook: WebhookClient) -> None:
    with full_disk():
        for _ in range(3):
            response = webhook.post(samples.user_event("user.created", person()))
            assert (response.status_code, response.json()) == (503, {"error": "unavailable"})
            assert response["Retry-After"] == "5"
        rejection_counter.flush()
        assert not RejectionCount.objects.exists()
        assert Alert.Rule.UNAVAILABLE not in {alert.rule for alert in alerts.check()}
    rejection_counter.flush()
    assert Alert.Rule.UNAVAILABLE in {alert.rule for alert in alerts.check()}
    assert "disk_full 3" in Alert.objects.get(rule=Alert.Rule.UNAVAILABLE).summary
    assert webhook.created(person()) == "processed"


def test_operators_see_that_alerts_are_not_stored() -> None:
    operator = with_password(raise_request_exception=False)
    with full_disk(), time_machine.travel(timezone.now() + 6 * MINUTE, tick=False):
        alerts.check()
        status = overall_status.summarize(rules.evaluate(measure()), Alert.objects.open(), timezone.now())
        assert status.level == Level.BAD
        assert "Alerts are not checked." in status.text
        for page in ("/admin/webhooks/dashboard/", "/admin/webhooks/alert/", "/metrics"):
            response = operator.get(page)
            assert response.status_code in (200, 503), page
            assert "All systems operational" not in response.content.decode()
    with time_machine.travel(timezone.now() + 6 * MINUTE, tick=False):
        alerts.check()
        assert rules.evaluate(measure())[Alert.Rule.WORKER_GONE].state == "well"


def test_events_are_stored_again_after_the_repair(webhook: WebhookClient) -> None:
    envelope = samples.user_event("user.created", person())
    with full_disk():
        assert webhook.post(envelope).status_code == 503
    assert webhook.post(envelope).json() == {"outcome": "processed"}
    assert WebhookEvent.objects.count() == 1
