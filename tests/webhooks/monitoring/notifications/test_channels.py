"""Filters of ALERT_URLS, delivery to failing and slow channels, and incidents with a stable key."""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import apprise
import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.servers.receiver import Receiver, running_receiver
from tests.webhooks.monitoring.test_alerts import (
    MINUTE,
    NOW,
    Rule,
    check_alerts_at,
    create_dead_events,
    reject,
    worker,
)
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.checks import check_alert_channels
from webhooks.models import Alert, ChannelFailure, Notification, WebhookEvent
from webhooks.monitoring import runbooks
from webhooks.monitoring.health import measure
from webhooks.monitoring.notifications import channels, delivery, incidents
from webhooks.monitoring.notifications import services as notifications
from webhooks.monitoring.notifications.delivery import Message
from webhooks.monitoring.rules import RULES, SEVERITIES

__all__ = ["worker"]
pytestmark = pytest.mark.django_db

OPENED, RESOLVED = "[Opened] Dead events need attention", "[Resolved] Dead events need attention"
TEST = Message("Title", "Body", apprise.NotifyType.WARNING, "site/rule")


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    with running_receiver() as first, running_receiver() as second:
        yield first, second


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with running_receiver() as receiver:
        settings.ALERT_URLS = [receiver.url]
        yield receiver


def end_problem() -> None:
    """Delete the events of NOW, and check until the alert is resolved."""
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)


# --- Routing ---


def test_severity_and_rules_select_channels(settings: Settings, receivers: tuple[Receiver, Receiver]) -> None:
    critical, chosen = receivers
    settings.ALERT_URLS = [
        f"{critical.url};severity=critical",
        f"{chosen.url}; severity=warning+info; rules=dead_events+silence",
    ]
    create_dead_events()
    event(NOW)
    reject("bad_signature", 30)
    assert check_alerts_at() == [Rule.DEAD_EVENTS, Rule.REJECTED]
    assert critical.titles == ["[Opened] Deliveries are being rejected"]
    assert chosen.titles == [OPENED]


def test_channel_listed_twice_is_notified_once(settings: Settings, receiver: Receiver) -> None:
    settings.ALERT_URLS = [receiver.url, f"{receiver.url};severity=warning", receiver.url]
    create_dead_events()
    check_alerts_at()
    assert receiver.titles == [OPENED]
    assert [found.id for found in check_alert_channels()] == ["webhooks.W002"]


def test_resolution_goes_to_notified_channels_only(settings: Settings, receivers: tuple[Receiver, Receiver]) -> None:
    notified, other = receivers
    settings.ALERT_URLS = [notified.url]
    create_dead_events()
    check_alerts_at()
    settings.ALERT_URLS = [f"{notified.url};severity=critical", other.url]
    end_problem()
    assert notified.titles == [OPENED, RESOLVED]
    assert other.titles == []


def test_channel_added_to_open_alert_is_notified_once(settings: Settings, receivers: tuple[Receiver, Receiver]) -> None:
    earlier, added = receivers
    settings.ALERT_URLS = [earlier.url]
    create_dead_events()
    check_alerts_at()
    settings.ALERT_URLS = [earlier.url, added.url, "json://127.0.0.1:9/;severity=critical"]
    check_alerts_at(MINUTE)
    check_alerts_at(2 * MINUTE)
    assert earlier.titles == added.titles == [OPENED]
    end_problem()
    assert added.titles == [OPENED, RESOLVED]


@pytest.mark.parametrize(
    ("entry", "words"),
    (
        ("json://localhost;severity=urgent", "unknown value 'urgent'"),
        ("json://localhost;rules=", "unknown value ''"),
        ("json://localhost;rules=dead_events+nonsense", "unknown value 'nonsense'"),
        ("json://localhost;tok123", "severity= or rules="),
        ("json://localhost;", "severity= or rules="),
    ),
)
def test_invalid_filter_is_reported_and_loses_no_alert(settings: Settings, entry: str, words: str) -> None:
    settings.ALERT_URLS = [entry]
    [found] = check_alert_channels()
    assert found.id == "webhooks.E009"
    assert words in found.msg
    assert "tok123" not in str(found)
    [channel] = channels.configured().values()
    assert channel.url == "json://localhost"
    assert channel.accepts(Alert(rule=Rule.SILENCE, severity="info"))


def test_every_rule_has_the_severity_of_the_prometheus_rules() -> None:
    text = (runbooks.FOLDER.parent / "monitoring" / "alert_rules.yml").read_text()
    documented = {rule: severity for severity, rule in re.findall(r"severity: (\w+), rule: (\w+)", text)}
    assert {rule: documented[rule] for rule in RULES} == SEVERITIES


# --- Delivery ---


def test_hanging_channel_does_not_delay_others(
    settings: Settings, receivers: tuple[Receiver, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, working = receivers
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.5)
    hanging.answering.clear()
    settings.ALERT_URLS = [hanging.url, working.url]
    create_dead_events()
    started = monotonic()
    check_alerts_at()
    assert monotonic() - started < 5
    assert working.titles == [OPENED]
    assert Notification.objects.get(sent_at=None).error == "The channel did not answer within 0.5 seconds."
    check_alerts_at(2 * MINUTE)  # the thread still waits for the first answer
    assert Notification.objects.get(sent_at=None).error == "The channel has not answered an earlier message yet."
    assert len(hanging.messages) == 1


def test_error_of_channel_is_stored_without_secrets(settings: Settings, receiver: Receiver) -> None:
    settings.ALERT_URLS = [f"json://user:tok123@{receiver.address}/secretpath"]
    receiver.status = 500
    create_dead_events()
    check_alerts_at()
    error = Notification.objects.get().error
    assert "error=500" in error
    assert not re.search(r"tok123|secretpath|127\.0\.0\.1", error)


def test_failed_notification_is_replaced_by_newer_one(settings: Settings, receiver: Receiver) -> None:
    """A late retry of the opening would reopen the incident in PagerDuty."""
    receiver.status = 503
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    receiver.status = 200
    Notification.objects.update(due_at=NOW + 10 * MINUTE)
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)
    check_alerts_at(20 * MINUTE)
    assert receiver.titles == [OPENED, RESOLVED]
    assert Notification.objects.get(sent_at=None).error == notifications.REPLACED


def failing_channels(after: timedelta) -> bool:
    with time_machine.travel(NOW + after, tick=False):
        return RULES[Rule.DIAGNOSTICS](measure()).title == "A notification channel fails"


def test_channel_fails_until_it_accepts_a_message(settings: Settings, receiver: Receiver) -> None:
    receiver.status = 503
    create_dead_events()
    for minutes in (0, 1, 3):
        check_alerts_at(minutes * MINUTE)
    assert failing_channels(3 * MINUTE)
    WebhookEvent.objects.all().delete()
    check_alerts_at(4 * MINUTE)
    check_alerts_at(10 * MINUTE)  # the resolution replaces the failed notification
    assert failing_channels(10 * MINUTE)
    check_alerts_at(timedelta(days=2))  # the resolution is abandoned
    assert not Notification.objects.unsent().exists()
    assert failing_channels(timedelta(days=2))
    urls, settings.ALERT_URLS = settings.ALERT_URLS, []
    assert not failing_channels(timedelta(days=2))
    settings.ALERT_URLS, receiver.status = urls, 200
    event(NOW + timedelta(days=2), state="dead", processed_at=None)
    check_alerts_at(timedelta(days=2, minutes=1))
    assert not failing_channels(timedelta(days=2, minutes=1))


def test_failures_of_several_messages_at_once_are_one_attempt(receiver: Receiver) -> None:
    receiver.status = 503
    event(NOW - timedelta(hours=1), state="dead", processed_at=None)  # also opens the alert about old events
    check_alerts_at()
    assert Notification.objects.count() > 1
    assert ChannelFailure.objects.get().attempts == 1


def test_accepted_test_message_ends_the_failure_and_sends_waiting_notifications(
    ngozi: User, receiver: Receiver
) -> None:
    receiver.status = 503
    create_dead_events()
    for minutes in (0, 1, 3):
        check_alerts_at(minutes * MINUTE)
    [name] = channels.configured()
    with time_machine.travel(NOW + 4 * MINUTE, tick=False):
        browser = signed_in(ngozi)
        assert "failing since" in browser.get("/admin/webhooks/alert/").text
        assert not Notification.objects.filter(due_at__lte=timezone.now()).exists()
        receiver.status = 200
        assert browser.post("/admin/webhooks/alert/test-channel/", {"channel": name}).status_code == 302
        assert "failing since" not in browser.get("/admin/webhooks/alert/").text
        assert Notification.objects.filter(due_at__lte=timezone.now()).exists()
    assert not ChannelFailure.objects.exists()


# --- Incidents ---


def redirect_requests(url: str, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """Send the requests of a channel's service to the receiver."""
    module: Any = sys.modules[type(apprise.Apprise.instantiate(url)).__module__]
    [name] = [name for name in vars(module) if name.endswith("_API_LOOKUP")]
    monkeypatch.setitem(getattr(module, name), "us", f"http://{receiver.address}/alerts")


def test_pagerduty_incident_is_resolved_with_its_key(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_URL = "https://builders.example"
    settings.ALERT_URLS = ["pagerduty://integration@apikey"]
    redirect_requests(settings.ALERT_URLS[0], monkeypatch, receiver)
    receiver.status = 202
    create_dead_events()
    check_alerts_at()
    end_problem()
    opened, resolved = receiver.messages
    assert opened["event_action"] == "trigger"
    assert opened["payload"]["severity"] == "warning"
    key = "builders.example/dead_events"
    assert opened["dedup_key"] == key
    assert resolved == {"routing_key": "integration", "event_action": "resolve", "dedup_key": key}


def test_long_alert_fits_into_pagerduty_and_keeps_its_url(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALERT_URLS = ["pagerduty://integration@apikey;rules=dead_events"]
    redirect_requests("pagerduty://integration@apikey", monkeypatch, receiver)
    for number in range(3):
        error = f"{'Long' * 20}Error{number}: x"
        event(NOW, state="dead", processed_at=None, error_class="internal", last_error=error)
    check_alerts_at()
    summary = receiver.messages[0]["payload"]["summary"]
    assert len(summary) <= 1024
    assert f"/admin/webhooks/alert/{Alert.objects.get(rule=Rule.DEAD_EVENTS).pk}/change/" in summary
    assert "Replay: " in summary


def test_opsgenie_alert_is_closed_by_its_alias(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_URL = "https://builders.example"
    settings.ALERT_URLS = ["opsgenie://apikey"]
    redirect_requests(settings.ALERT_URLS[0], monkeypatch, receiver)
    receiver.status = 202
    create_dead_events()
    check_alerts_at()
    end_problem()
    opened, closed = receiver.messages
    assert opened["alias"] == "builders.example/dead_events"
    assert receiver.paths[1] == "/alerts/builders.example%2Fdead_events/close?identifierType=alias"
    assert closed["note"]
    assert set(Notification.objects.values_list("error", flat=True)) == {""}


@pytest.mark.parametrize(
    ("url", "added"),
    (
        ("pagerduty://i@k?dedup=own", "&action=map&overflow=truncate"),
        ("pagerduty://i@k/?action=trigger", "&dedup=site%2Frule&overflow=truncate"),
        ("signl4://k", "?action=map&external_id=site%2Frule&overflow=truncate"),
        ("victorops://r@k", "?action=map&entity_id=site%2Frule&overflow=truncate"),
        ("pagertree://k", "?action=map&thirdparty=site%2Frule&overflow=truncate"),
        ("slack://A/B/C", ""),
    ),
)
def test_url_gets_parameters_of_its_service(url: str, added: str) -> None:
    assert incidents.with_key(url, TEST.key, TEST.type) == url + added


def test_json_channel_receives_key_and_status(receiver: Receiver) -> None:
    assert delivery.send(receiver.url, TEST) == ""
    assert receiver.messages[0]["dedup_key"] == "site/rule"
    assert receiver.messages[0]["status"] == "open"
    assert timedelta(seconds=delivery.TIMEOUT_S) < notifications.RETRY_AFTER


# --- Test messages ---


def send_test(person: Any, channel: str) -> str:
    response = signed_in(person).post("/admin/webhooks/alert/test-channel/", {"channel": channel}, follow=True)
    return str(response.content.decode())


@pytest.fixture
def ngozi() -> User:
    ngozi: User = UserFactory.create(admin=True, name="Ngozi & Admin")
    return ngozi


def test_send_test_shows_and_audits_the_answer(settings: Settings, ngozi: User, receiver: Receiver) -> None:
    settings.ALERT_URLS = [f"{receiver.url};severity=critical"]
    [name] = channels.configured()
    page = signed_in(ngozi).get("/admin/webhooks/alert/").content.decode()
    assert f'value="{name}"' in page
    assert receiver.url not in page
    assert f"Test of {name}: The channel accepted the test message." in send_test(ngozi, name)
    receiver.status = 500
    assert "error=500" in send_test(ngozi, name)
    assert receiver.titles[0].startswith("[Test] ")
    rows = AuditLog.objects.filter(action="ALERT_CHANNEL_TESTED").order_by("pk")
    assert [row.actor for row in rows] == [ngozi, ngozi]
    answers = [(row.details or {})["answer"] for row in rows]
    assert answers[0] == "accepted"
    assert "error=500" in answers[1]


def test_send_test_gives_up_on_a_hanging_channel(
    ngozi: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webhooks.admin.channels.TEST_TIMEOUT_S", 0.5)
    receiver.answering.clear()
    [name] = channels.configured()
    assert "did not answer within 0.5 seconds" in send_test(ngozi, name)


def test_send_test_closes_the_incident(
    settings: Settings, ngozi: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ALERT_URLS = ["pagerduty://integration@apikey"]
    redirect_requests(settings.ALERT_URLS[0], monkeypatch, receiver)
    [name] = channels.configured()
    assert "accepted the test message" in send_test(ngozi, name)
    assert [message["event_action"] for message in receiver.messages] == ["trigger", "resolve"]


@pytest.mark.parametrize("channel", ("", "json 00000000", "\x00"))
def test_unknown_channel_is_not_tested(ngozi: User, receiver: Receiver, channel: str) -> None:
    assert "no longer in ALERT_URLS" in send_test(ngozi, channel)
    assert receiver.messages == []


def test_former_admin_cannot_send_test(ngozi: User, receiver: Receiver) -> None:
    [name] = channels.configured()
    User.objects.filter(pk=ngozi.pk).update(roles=[])
    send_test(ngozi, name)
    assert receiver.messages == []
