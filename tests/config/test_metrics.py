"""/metrics: who may read it, and that it tells the truth."""

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
    """Return every sample: its name and the values of its labels, and its value."""
    response = Client().get("/metrics", headers={"accept": OPENMETRICS})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("application/openmetrics-text")
    text = response.content.decode()
    assert text.endswith("# EOF\n")
    return {
        (sample.name.removeprefix("buildappswith_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }


def test_it_counts_deliveries_repeats_and_what_became_of_them(webhook: WebhookClient) -> None:
    zofia = person()
    webhook.created(zofia, svix_id="msg_1")
    webhook.created(zofia, svix_id="msg_1")
    webhook.updated(zofia)
    with failing_handlers():
        webhook.created(person())
    for fold in (False, True):
        if fold:
            hourly_counts.aggregate()
        told = scrape()
        assert told["deliveries_total", "user.created"] == 3
        assert told["deliveries_total", "user.updated"] == 1
        assert told["duplicates_total",] == 1
        assert told["events_settled_total", "processed", "user.created"] == 1
        assert told["events_failed",] == 1
        assert told["oldest_unsettled_seconds",] >= 0
        assert ("events_settled_total", "failed", "user.created") not in told


def test_every_cause_of_a_refusal_is_told_from_the_start() -> None:
    assert scrape()["rejected_total", "bad_signature"] == 0
    for hours in range(3):
        hour = start_of_hour(timezone.now()) - timedelta(hours=hours)
        RejectionCount.objects.create(hour=hour, cause="bad_signature", requests=5)
    assert scrape()["rejected_total", "bad_signature"] == 15


def test_every_rule_is_told_from_the_start_and_whether_it_found_trouble() -> None:
    Alert.objects.create(rule=Alert.Rule.DRIFT, value=1, notified_value=1, worst_value=1)
    told = scrape()
    assert {rule: told["alert_open", rule] for rule in Alert.Rule} == {rule: rule == "drift" for rule in Alert.Rule}


def test_drift_is_what_the_last_comparison_found() -> None:
    assert ("drift_people",) not in scrape()
    now = timezone.now()
    Reconciliation.objects.create(kind="full", state="finished", finished_at=now, compared=10, missing=2, unrepaired=1)
    told = scrape()
    assert (told["drift_people",], told["drift_unhealed_people",]) == (2, 1)


@pytest.mark.parametrize("kind", ("unrepaired", "skipped_deletions", "unreadable"))
def test_whoever_still_differs_is_told_as_the_alert_does(settings: Settings, kind: str) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    now = timezone.now()
    Reconciliation.objects.create(kind="full", state="finished", finished_at=now, compared=10, **{kind: 3})
    finding = rules.drift(measure())
    assert finding
    assert scrape()["drift_unhealed_people",] == finding.value == 3


def test_the_older_text_format_is_told_to_who_asks_for_it() -> None:
    response = Client().get("/metrics")
    assert response["Content-Type"].startswith("text/plain")
    assert "buildappswith_workers 0.0" in response.content.decode()


def test_its_queries_do_not_grow(webhook: WebhookClient) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            scrape()
        counts.append(len(queries))
        for _ in range(3):
            webhook.created(person())
    assert counts[0] == counts[1] <= 19


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
def test_it_takes_the_token_or_an_address(
    settings: Settings, headers: dict[str, str], extra: dict[str, Any], status: int
) -> None:
    settings.METRICS_TOKEN, settings.METRICS_ALLOWED_IPS = "right", ["10.0.0.0/8"]
    assert Client().get("/metrics", headers=headers, **extra).status_code == status


def test_without_either_there_is_no_such_page(settings: Settings) -> None:
    settings.METRICS_TOKEN, settings.METRICS_ALLOWED_IPS = "", []
    for headers in ({}, {"authorization": "Bearer "}, {"authorization": "Bearer"}):
        assert Client().get("/metrics", headers=headers).status_code == 404
