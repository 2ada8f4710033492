"""The values, formats and access control of /metrics."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from pytest_django import Settings

from accounts.models import Reconciliation
from core.times import start_of_hour
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from webhooks.models import Alert, RejectionCount
from webhooks.monitoring import hourly_counts, rules
from webhooks.monitoring.health import measure

pytestmark = pytest.mark.django_db

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
STRANGER = {"REMOTE_ADDR": "203.0.113.9"}


def scrape() -> dict[tuple[str, ...], float]:
    """Return sample values by name and label values."""
    response = Client().get("/metrics", headers={"accept": OPENMETRICS})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/openmetrics-text")
    text = response.content.decode()
    assert text.endswith("# EOF\n")
    return {
        (sample.name.removeprefix("buildappswith_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_deliveries_duplicates_and_outcomes_are_counted(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.created(zofia, svix_id="msg_1")
    webhook.created(zofia, svix_id="msg_1")
    webhook.updated(zofia)
    with failing_handlers():
        webhook.created(person())
    for is_aggregated in (False, True):
        if is_aggregated:
            hourly_counts.aggregate()
        samples = scrape()
        assert samples["deliveries_total", "user.created"] == 3
        assert samples["deliveries_total", "user.updated"] == 1
        assert samples["duplicates_total",] == 1
        assert samples["events_settled_total", "processed", "user.created"] == 1
        assert samples["events_failed",] == 1
        assert samples["oldest_unsettled_seconds",] >= 0
        assert ("events_settled_total", "failed", "user.created") not in samples


def test_rejections_are_counted_for_every_cause_starting_at_zero() -> None:
    assert scrape()["rejected_total", "bad_signature"] == 0
    for hours in range(3):
        hour = start_of_hour(timezone.now()) - timedelta(hours=hours)
        RejectionCount.objects.create(hour=hour, cause="bad_signature", requests=5)
    assert scrape()["rejected_total", "bad_signature"] == 15


def test_every_rule_has_a_gauge_for_its_open_alert() -> None:
    Alert.objects.create(rule=Alert.Rule.DRIFT, value=1, notified_value=1, worst_value=1)
    samples = scrape()
    assert {rule: samples["alert_open", rule] for rule in Alert.Rule} == {rule: rule == "drift" for rule in Alert.Rule}


def test_drift_is_taken_from_the_last_reconciliation() -> None:
    assert ("drift_people",) not in scrape()
    now = timezone.now()
    Reconciliation.objects.create(kind="full", state="finished", finished_at=now, compared=10, missing=2, unrepaired=1)
    samples = scrape()
    assert (samples["drift_people",], samples["drift_unhealed_people",]) == (2, 1)


@pytest.mark.parametrize("kind", ("unrepaired", "skipped_deletions", "unreadable"))
def test_unrepaired_drift_equals_the_value_of_the_alert(settings: Settings, kind: str) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    now = timezone.now()
    Reconciliation.objects.create(kind="full", state="finished", finished_at=now, compared=10, **{kind: 3})
    signal = rules.evaluate(measure())[Alert.Rule.DRIFT]
    assert scrape()["drift_unhealed_people",] == signal.value == 3


def test_default_format_is_prometheus_text() -> None:
    response = Client().get("/metrics")
    assert response["Content-Type"].startswith("text/plain")
    assert "buildappswith_workers 0.0" in response.content.decode()


def test_number_of_queries_is_constant(webhook: WebhookClient) -> None:
    counts = []
    for _ in range(2):
        webhook.created(person())
        with CaptureQueriesContext(connection) as queries:
            scrape()
        counts.append(len([query for query in queries if "SAVEPOINT" not in query["sql"]]))  # of the test
    assert counts[0] == counts[1] <= 31


@pytest.mark.parametrize(
    ("headers", "extra", "status"),
    (
        ({}, STRANGER, 404),
        ({"authorization": "Bearer wrong"}, STRANGER, 404),
        ({"authorization": "Basic right"}, STRANGER, 404),
        ({"authorization": "Bearer ünïcode"}, STRANGER, 404),
        ({"authorization": "Bearer right"}, STRANGER, 200),
        ({}, {"REMOTE_ADDR": "10.1.2.3"}, 200),
        ({"x-forwarded-for": "10.1.2.3"}, STRANGER, 404),
    ),
)
def test_token_or_allowed_ip_is_required(
    settings: Settings, headers: dict[str, str], extra: dict[str, Any], status: int
) -> None:
    settings.METRICS_TOKEN, settings.METRICS_ALLOWED_IPS = "right", ["10.0.0.0/8"]
    assert Client().get("/metrics", headers=headers, **extra).status_code == status


def test_page_does_not_exist_without_configuration(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.METRICS_ALLOWED_IPS = "", []
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer"}):
        assert Client().get("/metrics", headers=headers).status_code == 404
