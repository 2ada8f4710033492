"""The lifecycle, notifications and actions of alerts, and each alert rule with a real cause."""

import html
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from accounts.models import ClerkRateLimit, IdentityConflict, MetadataPush, Reconciliation, User
from audit.models import AuditLog, AuditSeal, AuditVerification
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.servers.receiver import Receiver, running_receiver
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.jobs.rows import create_job
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.checks import check_alert_channels
from webhooks.inbox.rejections import RejectionCounter
from webhooks.jobs import failures
from webhooks.models import (
    AggregationProgress,
    Alert,
    CheckResult,
    ErrorGroup,
    MaintenanceWindow,
    Notification,
    WebhookEvent,
)
from webhooks.monitoring import alerts, rejections, runbooks, worker_watchdog
from webhooks.monitoring.error_groups import ranking as error_groups
from webhooks.monitoring.health import Health, measure
from webhooks.monitoring.notifications import delivery
from webhooks.monitoring.notifications import services as notifications
from webhooks.monitoring.rules import RULES

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: A port without a listener.
UNREACHABLE = "json://127.0.0.1:9/"
RUNBOOKS = "/admin/webhooks/alert/runbooks/"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with running_receiver() as receiver:
        settings.ALERT_URLS = [receiver.url]
        yield receiver


@pytest.fixture(autouse=True)
def worker() -> None:
    """Register a worker whose heartbeat and hourly counts are recent at any frozen time."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")
    AggregationProgress.objects.create(aggregated_at=datetime(2099, 1, 1, tzinfo=UTC))


def remove_workers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")


def check_alerts_at(after: timedelta = timedelta(0)) -> list[str]:
    """Check the alerts some time after NOW and return the rules with open alerts."""
    with time_machine.travel(NOW + after, tick=False):
        return sorted(alert.rule for alert in alerts.check())


def create_dead_events(count: int = 1) -> None:
    for _ in range(count):
        event(NOW - MINUTE, state="dead", processed_at=None)


def open_and_resolve() -> None:
    """Open an alert and let it resolve after seven minutes."""
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)


# --- Lifecycle ---


def test_no_alerts_without_events(receiver: Receiver) -> None:
    assert check_alerts_at() == []
    assert receiver.messages == []


def test_problem_opens_one_alert_with_one_notification(receiver: Receiver) -> None:
    create_dead_events()
    for minutes in range(3):
        assert check_alerts_at(minutes * MINUTE) == [Rule.DEAD_EVENTS]
    alert = Alert.objects.get()
    assert alert.facts["events"] == [WebhookEvent.objects.get().pk]
    assert receiver.titles == ["[Opened] Dead events need attention"]
    assert f"/admin/webhooks/alert/{alert.pk}/change/" in receiver.messages[0]["message"]
    assert "1 event is dead" in receiver.messages[0]["message"]


def test_only_substantial_worsening_is_notified(receiver: Receiver) -> None:
    create_dead_events(2)
    check_alerts_at()
    create_dead_events(1)
    check_alerts_at(MINUTE)
    assert len(receiver.messages) == 1
    create_dead_events(1)
    check_alerts_at(2 * MINUTE)
    assert receiver.titles[1:] == ["[Worse] Dead events need attention"]


QUIET = ({"acknowledged_at": NOW}, {"snoozed_until": NOW + 5 * MINUTE})


@pytest.mark.parametrize("quiet", QUIET, ids=("acknowledged", "snoozed"))
def test_acknowledged_or_snoozed_alert_does_not_notify_worsening(receiver: Receiver, quiet: dict[str, Any]) -> None:
    create_dead_events()
    check_alerts_at()
    Alert.objects.update(**quiet)
    create_dead_events(20)
    check_alerts_at(MINUTE)
    assert "[Worse] Dead events need attention" not in receiver.titles
    check_alerts_at(6 * MINUTE)  # the snooze has expired
    assert ("[Worse] Dead events need attention" in receiver.titles) == ("snoozed_until" in quiet)


def test_alert_resolves_after_five_quiet_minutes(receiver: Receiver) -> None:
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    assert check_alerts_at(MINUTE) == [Rule.DEAD_EVENTS]
    assert check_alerts_at(4 * MINUTE) == [Rule.DEAD_EVENTS]
    assert check_alerts_at(6 * MINUTE) == []
    assert receiver.titles == ["[Opened] Dead events need attention", "[Resolved] Dead events need attention"]


def test_resolution_message_has_cause_time_and_figures(receiver: Receiver) -> None:
    open_and_resolve()
    body = receiver.messages[-1]["message"]
    assert "Resolved automatically at 20 Nov 09:37 UTC. Not detected since 20 Nov 09:31 UTC." in body
    assert "Open since 20 Nov 09:30 UTC." in body
    assert "Now: No event is dead." in body
    assert "1 event is dead" not in body


def test_manual_resolution_message_names_admin_and_current_state(adam: User, receiver: Receiver) -> None:
    create_dead_events()
    check_alerts_at()
    with time_machine.travel(NOW + MINUTE, tick=False):
        act(adam, action="resolve", note="Replayed by hand")
        notifications.send_due()
    body = receiver.messages[-1]["message"]
    assert "Resolved by Adam & Admin at 20 Nov 09:31 UTC." in body
    assert "Note: Replayed by hand" in body
    assert "Now: 1 event is dead and will not be retried." in body


@pytest.mark.parametrize("page", ("", "{pk}/change/", "../dashboard/"))
def test_alert_in_its_quiet_period_shows_when_it_closes(adam: User, page: str) -> None:
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    url = f"/admin/webhooks/alert/{page.format(pk=Alert.objects.get().pk)}".replace("alert/../", "")
    with time_machine.travel(NOW + 2 * MINUTE, tick=False):
        text = signed_in(adam).get(url).content.decode()
    assert "ver since 09:31 UTC, closes at 09:36 UTC" in text


def test_dashboard_shows_at_once_that_a_problem_is_over_or_has_returned(adam: User, settings: Settings) -> None:
    """The alert is checked every 15 seconds, but its line agrees with the status above it at any time."""
    settings.ALERT_RESOLVE_AFTER_S = 30
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    with time_machine.travel(NOW + timedelta(seconds=10), tick=False):
        text = signed_in(adam).get("/admin/webhooks/dashboard/").content.decode()
    row = text.partition('id="attention"')[2].partition("</li>")[0]
    assert '<li class="is-good">' in row
    assert "Over since 09:30:10 UTC, closes at 09:30:40 UTC:" in row.partition('id="alert-')[0]
    check_alerts_at(timedelta(seconds=15))
    create_dead_events(2)
    with time_machine.travel(NOW + timedelta(seconds=20), tick=False):
        text = signed_in(adam).get("/admin/webhooks/dashboard/").content.decode()
    assert "ver since" not in text
    assert '<li class="is-bad">' in text
    assert text.count("2 events are dead and will not be retried.") == 1


@pytest.mark.parametrize("rule", Rule)
def test_rules_without_a_problem_have_figures(settings: Settings, rule: Alert.Rule) -> None:
    settings.CLERK_SECRET_KEY, settings.CLERK_INSTANCE_ID = "sk_test_x", "ins_ours"
    event(NOW - MINUTE, instance_id="ins_ours")
    for number in range(60):
        event(NOW - number * 6 * MINUTE, instance_id="ins_ours")
    ClerkRateLimit.objects.create(name="instance", next_slot_at=NOW, probed_at=NOW)
    Reconciliation.objects.create(kind="recent", state="finished", started_at=NOW, finished_at=NOW)
    create_verification(NOW)
    CheckResult.objects.create(name="mail", state="passed", checked_at=NOW)
    with time_machine.travel(NOW, tick=False):
        signal = RULES[rule](measure())
    assert (signal.state, bool(signal.summary)) == ("well", True)


def test_alert_does_not_flap(receiver: Receiver) -> None:
    """A problem that repeatedly appears and disappears opens one alert with one notification."""
    for number in range(6):
        create_dead_events()
        check_alerts_at(number * 2 * MINUTE)
        WebhookEvent.objects.all().delete()
        check_alerts_at((number * 2 + 1) * MINUTE)
    assert Alert.objects.count() == 1
    assert receiver.titles == ["[Opened] Dead events need attention"]


def kinds(receiver: Receiver, alert: str = "Dead events need attention") -> list[str]:
    """Return the first word of the title of each message about an alert."""
    return [title[1:].partition("]")[0] for title in receiver.titles if title.endswith(alert)]


def test_problem_that_returns_after_its_resolution_is_notified_at_once(receiver: Receiver) -> None:
    open_and_resolve()
    create_dead_events()
    check_alerts_at(9 * MINUTE)
    check_alerts_at(10 * MINUTE)
    alert = Alert.objects.get()
    assert (alert.is_open, alert.reopened_count) == (True, 1)
    assert kinds(receiver) == ["Opened", "Resolved", "Reopened"]
    assert "Open since 20 Nov 09:39 UTC, first seen 20 Nov 09:30 UTC." in receiver.messages[-1]["message"]


def test_incident_of_a_reopened_alert_has_the_same_key(receiver: Receiver) -> None:
    """Services such as PagerDuty open a resolved incident again if its key is triggered again."""
    open_and_resolve()
    create_dead_events()
    check_alerts_at(9 * MINUTE)
    keys = [(message["status"], message["dedup_key"]) for message in receiver.messages]
    assert keys == [(status, f"{keys[0][1]}") for status in ("open", "resolved", "open")]


def test_reopened_alert_is_worse_only_compared_with_its_own_period(receiver: Receiver) -> None:
    create_dead_events(4)
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)
    create_dead_events(10)
    check_alerts_at(8 * MINUTE)
    create_dead_events(5)
    check_alerts_at(9 * MINUTE)
    assert kinds(receiver) == ["Opened", "Resolved", "Reopened"]
    create_dead_events(5)
    check_alerts_at(10 * MINUTE)
    assert kinds(receiver)[3:] == ["Worse"]


def test_each_resolution_and_each_recurrence_is_notified(receiver: Receiver) -> None:
    open_and_resolve()
    create_dead_events()
    check_alerts_at(10 * MINUTE)
    WebhookEvent.objects.all().delete()
    check_alerts_at(11 * MINUTE)
    assert check_alerts_at(17 * MINUTE) == []
    assert kinds(receiver) == ["Opened", "Resolved", "Reopened", "Resolved"]
    assert "Open since 20 Nov 09:40 UTC, first seen 20 Nov 09:30 UTC." in receiver.messages[-1]["message"]


@pytest.mark.parametrize("quiet", QUIET, ids=("acknowledged", "snoozed"))
def test_acknowledged_or_snoozed_alert_that_returns_after_its_resolution_is_notified(
    receiver: Receiver, quiet: dict[str, Any]
) -> None:
    """An acknowledgement ends with the incident, as in PagerDuty."""
    create_dead_events()
    check_alerts_at()
    Alert.objects.update(**{name: at + timedelta(hours=1) for name, at in quiet.items()})
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)
    create_dead_events()
    check_alerts_at(8 * MINUTE)
    assert kinds(receiver) == ["Opened", "Resolved", "Reopened"]
    assert str(Alert.objects.get().state) == "open"


def test_recurrence_during_maintenance_is_notified_afterwards(adam: User, receiver: Receiver) -> None:
    open_and_resolve()
    create_dead_events()
    window = {"starts_at": NOW, "ends_at": NOW + 12 * MINUTE, "reason": "Upgrade", "created_by": adam}
    MaintenanceWindow.objects.create(**window)
    check_alerts_at(9 * MINUTE)
    assert kinds(receiver) == ["Opened", "Resolved"]
    check_alerts_at(13 * MINUTE)
    assert kinds(receiver) == ["Opened", "Resolved", "Reopened"]


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("age_s", (5, 65))
def test_measurement_older_than_the_alert_does_not_end_it(
    settings: Settings, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, age_s: int
) -> None:
    """A worker that was suspended after measuring continues later, while the web servers evaluate the rules."""
    settings.ALERT_RESOLVE_AFTER_S = 60
    with time_machine.travel(NOW, tick=False):
        outdated = measure()
    remove_workers()
    check_alerts_at(SECOND)
    check_alerts_at((age_s - 1) * SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "measure", lambda *args: outdated)
        check_alerts_at(age_s * SECOND)
    assert Alert.objects.get(rule=Rule.WORKER_GONE).ok_since is None
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")
    assert check_alerts_at(100 * SECOND) == [Rule.WORKER_GONE]
    assert check_alerts_at(159 * SECOND) == [Rule.WORKER_GONE]
    assert check_alerts_at(160 * SECOND) == []
    assert "Not detected since 20 Nov 09:31 UTC." in receiver.messages[-1]["message"]


def test_measurement_older_than_the_resolution_does_not_reopen_the_alert(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_and_resolve()
    create_dead_events()
    with time_machine.travel(NOW + 7 * MINUTE - SECOND, tick=False):
        outdated = measure()
    monkeypatch.setattr(alerts, "measure", lambda *args: outdated)
    assert check_alerts_at(7 * MINUTE + SECOND) == []


def test_late_recurrence_opens_new_alert(receiver: Receiver) -> None:
    create_dead_events()
    check_alerts_at()
    WebhookEvent.objects.all().delete()
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)
    create_dead_events()
    check_alerts_at(40 * MINUTE)
    assert Alert.objects.filter(rule=Rule.DEAD_EVENTS).count() == 2
    assert receiver.titles.count("[Opened] Dead events need attention") == 2


def set_clerk(**values: Any) -> None:
    probed = {"next_slot_at": NOW, "probed_at": datetime(2099, 1, 1, tzinfo=UTC)}
    ClerkRateLimit.objects.update_or_create(name="instance", defaults=probed | values)


REFUSED: dict[str, Any] = {"refused_at": NOW}
FAILING: dict[str, Any] = {"refused_at": None, "failures": 5}


def test_new_cause_of_reopened_alert_is_notified_immediately(settings: Settings, receiver: Receiver) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    set_clerk(**REFUSED)
    check_alerts_at()
    set_clerk(refused_at=None)
    check_alerts_at(MINUTE)
    check_alerts_at(7 * MINUTE)
    set_clerk(**FAILING)
    check_alerts_at(8 * MINUTE)
    check_alerts_at(9 * MINUTE)
    assert kinds(receiver, "Clerk does not respond as expected") == ["Opened", "Resolved", "Reopened"]
    assert "Backend API failed 5 requests" in receiver.messages[-1]["message"]
    assert Alert.objects.get(rule=Rule.CLERK).reopened_count == 1


def test_each_new_cause_of_an_open_alert_is_notified_once(settings: Settings, receiver: Receiver) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    causes: list[dict[str, Any]] = [REFUSED, FAILING, REFUSED | {"failures": 0}, FAILING]
    for minutes, values in enumerate(causes):
        set_clerk(**values)
        check_alerts_at(minutes * MINUTE)
    assert [title.split("] ")[0] for title in receiver.titles if "Clerk" in title] == ["[Opened", "[New cause"]


def test_acknowledged_alert_does_not_notify_new_cause(settings: Settings, receiver: Receiver) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    set_clerk(**REFUSED)
    check_alerts_at()
    Alert.objects.filter(rule=Rule.CLERK).update(acknowledged_at=NOW)
    set_clerk(**FAILING)
    check_alerts_at(MINUTE)
    assert [title.split("] ")[0] for title in receiver.titles if "Clerk" in title] == ["[Opened"]


def test_failures_after_a_rejected_key_are_the_current_cause() -> None:
    set_clerk(refused_at=NOW, failures=3)
    with time_machine.travel(NOW, tick=False):
        signal = RULES[Rule.CLERK](measure())
    assert (signal.causes, "failed 3 requests" in signal.summary) == (("backend",), True)


def test_failing_channel_is_retried_without_blocking_others(settings: Settings, receiver: Receiver) -> None:
    settings.ALERT_URLS = ["nonsense", UNREACHABLE, receiver.url]
    create_dead_events()
    check_alerts_at()
    assert len(receiver.messages) == 1
    failed = Notification.objects.filter(sent_at=None)
    assert sorted(failed.values_list("attempts", flat=True)) == [1, 1]
    assert "127.0.0.1:9" not in "".join(failed.values_list("error", "channel").get(channel__startswith="json"))
    for minutes in range(1, 20):
        check_alerts_at(minutes * MINUTE)
    # After 1, 2, 4 and 8 minutes.
    assert sorted(failed.values_list("attempts", flat=True)) == [5, 5]
    assert len(receiver.messages) == 1


def test_notification_is_sent_after_an_hour_long_channel_outage(adam: User, receiver: Receiver) -> None:
    receiver.status = 500
    create_dead_events()
    for minutes in range(0, 60, 5):
        check_alerts_at(minutes * MINUTE)
    page = (
        signed_in(adam)
        .get(f"/admin/webhooks/alert/{Alert.objects.get(rule=Rule.DEAD_EVENTS).pk}/change/")
        .content.decode()
    )
    assert re.search(r"failed \d times, next attempt at \d\d:\d\d:\d\d:", page)
    with time_machine.travel(NOW, tick=False):
        signal = RULES[Rule.DIAGNOSTICS](measure())
    assert (signal.state, signal.title) == ("degraded", "A notification channel fails")
    receiver.status = 200
    receiver.messages.clear()
    check_alerts_at(timedelta(hours=1, minutes=15))
    assert receiver.titles.count("[Opened] Dead events need attention") == 1


def test_unsent_resolution_is_abandoned_after_a_day(receiver: Receiver) -> None:
    receiver.status = 500
    open_and_resolve()
    check_alerts_at(timedelta(hours=20))
    assert Notification.objects.unsent().count() == 1
    check_alerts_at(timedelta(hours=25))
    assert not Notification.objects.unsent().exists()


def test_notification_for_a_removed_channel_is_abandoned(settings: Settings, receiver: Receiver) -> None:
    receiver.status = 500
    create_dead_events()
    check_alerts_at()
    settings.ALERT_URLS = []
    check_alerts_at(2 * MINUTE)
    assert not Notification.objects.unsent().exists()


@pytest.mark.parametrize("url", ("nonsense://tok123/x", "slack://tok123", "pagerduty://tok123"))
def test_channel_url_is_never_logged(settings: Settings, caplog: pytest.LogCaptureFixture, url: str) -> None:
    """If Apprise cannot parse a URL, it logs the complete URL."""
    settings.ALERT_URLS = [url]
    assert [found.id for found in check_alert_channels()] == ["webhooks.E005"]
    create_dead_events()
    check_alerts_at()
    assert "Apprise cannot parse the URL" in caplog.text
    assert "tok123" not in caplog.text


def test_failing_rule_does_not_stop_other_rules(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing_rule(health: Health) -> None:
        raise DatabaseError("canceling statement due to statement timeout")

    monkeypatch.setitem(RULES, Rule.FAILURE_RATE, failing_rule)  # evaluated first
    create_dead_events()
    assert check_alerts_at() == [Rule.DEAD_EVENTS]
    assert receiver.titles == ["[Opened] Dead events need attention"]
    assert "Could not evaluate the alert rule failure_rate" in caplog.text


def test_locks_end_with_their_transaction() -> None:
    """Behind PgBouncer, a session lock would never be released and would block all further checks."""
    create_dead_events()
    with CaptureQueriesContext(connection) as statements:
        check_alerts_at()
    locks = [each["sql"] for each in statements if "advisory" in each["sql"]]
    assert locks
    assert all("_xact_lock" in sql for sql in locks)


def test_claimed_notification_is_not_sent_twice(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    create_dead_events()
    send = delivery.send_all

    def send_during_another_check(batches: Any) -> Any:
        monkeypatch.setattr(delivery, "send_all", send)
        notifications.send_due()
        return send(batches)

    monkeypatch.setattr(delivery, "send_all", send_during_another_check)
    check_alerts_at()
    assert receiver.titles == ["[Opened] Dead events need attention"]


def test_check_alerts_command_lists_open_alerts(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_alerts")
    assert capsys.readouterr().out.splitlines() == [
        "clock (unknown): No delivery has been received, so the clock was not compared",
        "other_instance (unknown): CLERK_INSTANCE_ID is not set, so events from other Clerk instances cannot be detected",
        "silence (unknown): No event has been received",
        "clerk_outage (unknown): CLERK_SECRET_KEY is not set, so Clerk cannot be checked",
        "drift (unknown): CLERK_SECRET_KEY is not set, so Clerk cannot be checked",
        "diagnostics (unknown): The diagnostic checks have not run within the last hour",
        "audit_chain_broken (unknown): The audit log has never been verified",
        "No open alerts.",
    ]
    create_dead_events()
    with pytest.raises(SystemExit), time_machine.travel(NOW, tick=False):
        call_command("check_alerts")
    assert capsys.readouterr().out.splitlines()[0] == "dead_events: 1 event is dead and will not be retried."


# --- Error groups ---


def fail(error: str, minutes: int, event_type: str = "user.updated") -> WebhookEvent:
    return event(
        NOW - minutes * MINUTE,
        event_type=event_type,
        state="dead",
        processed_at=None,
        error_class="internal",
        last_error=error,
    )


def test_alert_names_top_error_groups_and_links_to_their_replay(
    adam: User, receiver: Receiver, settings: Settings
) -> None:
    group = [fail("KeyError: 'ada@example.com'", minutes) for minutes in (20, 10, 5)]
    fail("KeyError: 'x'", 6, "user.created")
    fail("ValueError: x", 6)
    check_alerts_at()
    alert = Alert.objects.get(rule=Rule.DEAD_EVENTS)
    body = receiver.messages[receiver.titles.index(f"[Opened] {alert}")]["message"]
    assert "3 × user.updated: KeyError (internal), first 20 Nov 09:10, last 20 Nov 09:25 UTC." in body
    assert "ada@example.com" not in body
    [first] = error_groups.groups_of(alert)[:1]
    assert f"Replay: {settings.SITE_URL}{first.replay_url}" in body
    browser = signed_in(adam)
    page = browser.get(f"/admin/webhooks/alert/{alert.pk}/change/").content.decode()
    assert html.escape(first.replay_url) in page
    assert "user.created: KeyError" in page
    assert '<small class="quiet">Bug in our code</small>' not in page
    known = ErrorGroup.objects.create(key="1", error_type="KeyError", place="profiles.pages.views.show")
    WebhookEvent.objects.update(error_group=known)
    check_alerts_at()
    page = browser.get(f"/admin/webhooks/alert/{alert.pk}/change/").content.decode()
    assert '<small class="quiet">Bug in our code</small>' in page
    assert '<span class="is-bad">Open</span>' in browser.get("/admin/webhooks/alert/").content.decode()
    assert browser.get(first.replay_url).context["number"] == 3
    listed = browser.get(first.list_url).context["cl"].result_list
    assert {row.pk for row in listed} == {row.pk for row in group}


def test_error_groups_of_other_rules_are_absent() -> None:
    event(NOW)
    reject("bad_signature", 30)
    check_alerts_at()
    assert "groups" not in Alert.objects.get().facts


# --- Rules ---


def test_failure_rate_opens_for_many_failures(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW - MINUTE, tick=False):
        for _ in range(20):
            webhook.created(person())
        assert check_alerts_at() == []
        with failing_handlers():
            for _ in range(5):
                assert webhook.created(person()) == "failed"
    assert check_alerts_at() == [Rule.FAILURE_RATE]
    assert len(Alert.objects.get().facts["events"]) == 5


def test_failure_rate_lists_only_recent_events() -> None:
    for day in range(25):
        event(NOW - timedelta(days=7 + day), state="dead", processed_at=None)
    failing = [event(NOW - MINUTE, state="failed", processed_at=None, next_attempt_at=NOW).pk for _ in range(5)]
    assert Rule.FAILURE_RATE in check_alerts_at()
    assert sorted(Alert.objects.get(rule=Rule.FAILURE_RATE).facts["events"]) == failing


def test_oldest_unsettled_opens_after_half_an_hour() -> None:
    event(NOW - 31 * MINUTE, state="failed", processed_at=None, next_attempt_at=NOW)
    assert check_alerts_at(-2 * MINUTE) == []
    assert check_alerts_at() == [Rule.OLDEST_UNSETTLED]


def test_rejected_requests_opens_at_threshold() -> None:
    event(NOW)
    reject("bad_signature", 19)
    assert check_alerts_at() == []
    reject("too_large", 1)
    assert check_alerts_at() == [Rule.REJECTED]
    assert "bad_signature 19, too_large 1" in Alert.objects.get().summary


def reject(
    cause: str, requests: int, at: datetime = NOW - timedelta(seconds=10), clock_offset_s: int | None = None
) -> None:
    counter = RejectionCounter()
    with time_machine.travel(at, tick=False):
        for _ in range(requests):
            counter.count(cause, clock_offset_s)
        counter.flush()


@pytest.mark.parametrize(("cause", "rule"), (("bad_signature", Rule.REJECTED), ("locked_row", Rule.UNAVAILABLE)))
@pytest.mark.parametrize("usual", (1, 3000))
def test_rejections_end_soon_after_a_delivery_is_accepted(cause: str, rule: Alert.Rule, usual: int) -> None:
    event(NOW - 20 * MINUTE, deliveries=usual)
    reject(cause, 1000)
    assert check_alerts_at() == [rule]
    event(NOW)
    with time_machine.travel(NOW + timedelta(seconds=50), tick=False):
        signal = RULES[rule](measure())
    assert (signal.state, "accepted since" in signal.summary) == ("well", True)


@pytest.mark.parametrize(
    ("cause", "offset_s", "words"),
    (("future_timestamp", -600, "10 minutes behind"), ("stale_timestamp", 660, "11 minutes ahead")),
)
def test_wrong_clock_opens_its_own_alert(cause: str, offset_s: int, words: str) -> None:
    event(NOW - timedelta(days=2))
    reject(cause, 2, clock_offset_s=offset_s)
    assert check_alerts_at() == [Rule.CLOCK]
    assert words in Alert.objects.get().summary


def test_single_delivery_has_the_singular() -> None:
    reject("future_timestamp", 1, clock_offset_s=-600)
    assert check_alerts_at() == [Rule.CLOCK]
    assert Alert.objects.get().summary.startswith("1 delivery was rejected, because the clock")


def test_single_replayed_delivery_does_not_open_an_alert() -> None:
    event(NOW - timedelta(days=2))
    reject("stale_timestamp", 1, clock_offset_s=86_400)
    assert check_alerts_at() == []
    with time_machine.travel(NOW, tick=False):
        assert RULES[Rule.CLOCK](measure()).state == "degraded"


def test_wrong_clock_on_one_of_several_servers_opens_an_alert() -> None:
    event(NOW, deliveries=50)
    reject("stale_timestamp", 10, clock_offset_s=600)
    assert check_alerts_at() == [Rule.CLOCK]


def test_wrong_secret_of_a_quiet_site_opens_after_two_deliveries() -> None:
    event(NOW - timedelta(days=3))
    reject("bad_signature", 1)
    assert check_alerts_at() == []
    reject("bad_signature", 1)
    assert check_alerts_at() == [Rule.REJECTED]
    assert "No delivery has been accepted since." in Alert.objects.get().summary


def test_rejections_of_an_earlier_incident_do_not_count() -> None:
    """The secret was wrong and is right again. One more rejected request is not a new incident."""
    event(NOW - timedelta(days=3))
    reject("bad_signature", 40, at=NOW - 30 * MINUTE)
    assert check_alerts_at(-29 * MINUTE) == [Rule.REJECTED]
    event(NOW - 25 * MINUTE)
    reject("bad_signature", 1, at=NOW - 5 * MINUTE)
    with time_machine.travel(NOW, tick=False):
        assert RULES[Rule.REJECTED](measure()).state == "degraded"
    reject("bad_signature", 1, at=NOW - 4 * MINUTE)
    check_alerts_at()
    alert = Alert.objects.get()
    assert (alert.value, alert.facts["causes"]) == (2, {"bad_signature": 2})
    assert "rejected 2 requests: bad_signature 2. No delivery has been accepted since. CLERK_WEBHOOK" in alert.summary


@pytest.mark.parametrize(
    ("cause", "offset_s", "rule"), (("bad_signature", None, Rule.REJECTED), ("future_timestamp", -600, Rule.CLOCK))
)
def test_blocked_site_stays_broken_between_the_attempts_of_svix(
    cause: str, offset_s: int | None, rule: Alert.Rule
) -> None:
    """Svix sends a rejected delivery again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h."""
    event(NOW - timedelta(days=3))
    attempts = [timedelta(hours=hours) for hours in (0, 0.001, 0.1, 0.6, 2.6, 7.6, 17.6)]
    for number, after in enumerate(attempts):
        reject(cause, 1, NOW + after, offset_s)
        if number:
            assert check_alerts_at(after + 15 * SECOND) == [rule]
            assert check_alerts_at(after + timedelta(hours=9)) == [rule]
            Alert.objects.all().delete()
    event(NOW + timedelta(hours=18))
    assert check_alerts_at(timedelta(hours=18, minutes=1)) == []


def test_second_endpoint_with_a_wrong_secret_is_broken_between_its_deliveries() -> None:
    """Every other delivery is rejected, so an accepted delivery does not end the problem."""
    for number in range(40):
        at = NOW - (40 - number) * MINUTE
        event(at) if number % 2 else reject("bad_signature", 2, at)
    for seconds in range(0, 60, 15):
        with time_machine.travel(NOW + seconds * SECOND, tick=False):
            assert RULES[Rule.REJECTED](measure()).state == "broken", seconds
    event(NOW + 4 * MINUTE)
    with time_machine.travel(NOW + 6 * MINUTE, tick=False):
        assert RULES[Rule.REJECTED](measure()).state == "well"


def test_cost_of_counting_rejections_is_bounded() -> None:
    """Stored requests are limited, so the number of rows does not grow with an attack."""
    for _ in range(3):
        reject("bad_signature", 1000)
    with time_machine.travel(NOW, tick=False), CaptureQueriesContext(connection) as queries:
        found = rejections.read(NOW)
    assert len(queries) == 1
    assert (len(found["bad_signature"].times), found["bad_signature"].since(None)) == (100, 3000)


def test_unauthenticated_noise_does_not_open_an_alert_on_a_busy_site() -> None:
    reject("missing_headers", 30)
    event(NOW - 2 * MINUTE, deliveries=3000)
    assert check_alerts_at() == []


def test_unavailable_opens_when_most_deliveries_get_503() -> None:
    event(NOW - 2 * MINUTE)
    reject("locked_row", 2)
    assert check_alerts_at() == []
    reject("locked_row", 14)
    assert check_alerts_at() == [Rule.UNAVAILABLE]
    assert "locked_row 16" in Alert.objects.get().summary


def test_type_with_only_failures_opens_on_a_busy_site() -> None:
    for number in range(200):
        event(NOW - number * timedelta(seconds=5))
    for _ in range(2):
        event(NOW - MINUTE, event_type="session.created", state="failed", processed_at=None, next_attempt_at=NOW)
    assert check_alerts_at() == [Rule.FAILURE_RATE]
    assert "Every event of these types failed: session.created." in Alert.objects.get().summary


def test_type_that_fails_since_an_upgrade_opens_although_it_worked_before() -> None:
    for number in range(200):
        event(
            NOW - 20 * MINUTE - number * timedelta(seconds=5),
            event_type="user.deleted" if number % 10 else "user.created",
        )
    failing = {"event_type": "user.deleted", "state": "failed", "processed_at": None, "next_attempt_at": NOW}
    for number in range(4):
        event(NOW - number * MINUTE, **failing)
    assert check_alerts_at() == []
    pk = event(NOW - 5 * MINUTE, **failing).pk
    assert check_alerts_at() == [Rule.FAILURE_RATE]
    assert "Every event of these types failed: user.deleted." in Alert.objects.get().summary
    WebhookEvent.objects.filter(pk=pk).update(state="processed", processed_at=NOW, next_attempt_at=None)
    check_alerts_at(MINUTE)
    assert Alert.objects.get().ok_since is not None


def test_type_that_still_fails_stays_broken_without_new_events() -> None:
    """A quiet site has no new event of the type for hours, but its failed events are still being retried."""
    event(NOW - timedelta(hours=1))
    failing = {"event_type": "user.deleted", "state": "failed", "processed_at": None, "next_attempt_at": NOW}
    pks = [event(NOW - MINUTE, **failing).pk for _ in range(2)]
    for hours in range(12):
        assert Rule.FAILURE_RATE in check_alerts_at(timedelta(hours=hours)), hours
    alert = Alert.objects.get(rule=Rule.FAILURE_RATE)
    assert (alert.facts["events"], len(alert.facts["groups"])) == (pks, 1)
    WebhookEvent.objects.filter(pk=pks[1]).update(state="processed", processed_at=NOW, next_attempt_at=None)
    check_alerts_at(timedelta(hours=12))
    assert Alert.objects.get(rule=Rule.FAILURE_RATE).ok_since is not None


@pytest.mark.parametrize(
    ("facts", "words"),
    (
        ({"failures": 5}, "Backend API failed 5 requests"),
        ({"refused_at": NOW}, "refuses CLERK_SECRET_KEY"),
        ({"name": "frontend", "failures": 1, "suspended_until": NOW + MINUTE}, "Frontend API is not responding"),
    ),
)
@pytest.mark.parametrize(
    ("reason", "sentence"),
    (
        ("503", "Last answer: status 503 from api.clerk.com."),
        ("ConnectTimeout", "No answer from api.clerk.com: ConnectTimeout."),
    ),
)
def test_clerk_outage_opens_and_names_the_last_failure(
    facts: dict[str, Any], words: str, reason: str, sentence: str
) -> None:
    failure = {"failed_host": "api.clerk.com", "failed_with": reason}
    ClerkRateLimit.objects.create(**{"name": "instance", "next_slot_at": NOW} | failure | facts)
    assert check_alerts_at() == [Rule.CLERK]
    summary = Alert.objects.get().summary
    assert words in summary
    assert sentence in summary


def test_slow_answers_of_clerk_open_an_alert() -> None:
    ClerkRateLimit.objects.create(name="instance", next_slot_at=NOW, slow_requests=2)
    assert check_alerts_at() == []
    ClerkRateLimit.objects.update(slow_requests=3)
    assert check_alerts_at() == [Rule.CLERK]
    alert = Alert.objects.get()
    assert "took more than 5 seconds for each of the last 3 requests" in alert.summary
    assert alert.notified_causes == ["slow"]


def test_clerk_is_unknown_without_recent_probes(settings: Settings) -> None:
    """Without a worker, the last answer may be hours old."""
    settings.CLERK_SECRET_KEY = "sk_test_x"
    ClerkRateLimit.objects.create(name="instance", next_slot_at=NOW, probed_at=NOW)
    for minutes, state in ((4, "well"), (5, "unknown")):
        with time_machine.travel(NOW + minutes * MINUTE, tick=False):
            assert RULES[Rule.CLERK](measure()).state == state


def test_identity_conflict_opens_an_alert_after_a_day() -> None:
    with time_machine.travel(NOW, tick=False):
        IdentityConflict.objects.create(user=UserFactory.create(), other=UserFactory.create(), kind="several")
    assert check_alerts_at(timedelta(hours=23)) == []
    assert check_alerts_at(timedelta(hours=24)) == [Rule.CONFLICTS]
    alert = Alert.objects.get()
    assert (alert.severity, alert.summary) == ("info", "1 identity conflict needs a decision.")


def test_repeated_corrections_open_drift(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    for number in range(3):
        reconciled(number * MINUTE, repaired=min(number, 1))
        assert check_alerts_at(number * MINUTE) == [Rule.DRIFT] * (number == 2)
    assert "corrected 2 users, whose events were probably lost" in Alert.objects.get().summary


def reconciled(after: timedelta, kind: str = "recent", **facts: Any) -> Reconciliation:
    times = {"started_at": NOW + after, "finished_at": NOW + after}
    return Reconciliation.objects.create(**{"kind": kind, "state": "finished"} | times | facts)


def corrected(after: timedelta, ids: Sequence[str], kind: str = "stale") -> Reconciliation:
    """Create the report of a run that corrected users who changed a minute before."""
    since = (NOW + after - MINUTE).isoformat()
    examples = [{"clerk_id": clerk_id, "kind": kind, "fields": ["name"], "since": since} for clerk_id in ids]
    return reconciled(after, repaired=len(ids), examples=examples)


def test_first_run_of_a_new_site_does_not_open_drift(settings: Settings) -> None:
    """The first run imports the users that signed up before the site received events."""
    settings.CLERK_SECRET_KEY = "sk_test_x"
    reconciled(timedelta(0), kind="full", missing=50, repaired=50)
    assert check_alerts_at() == []
    reconciled(SECOND)
    assert check_alerts_at(SECOND) == []


def test_drift_points_to_events_that_arrived_and_failed(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    ids = [f"user_{number}" for number in range(6)]
    for clerk_id in ids:
        event(NOW - MINUTE, state="failed", processed_at=None, next_attempt_at=NOW, clerk_user_id=clerk_id)
    reconciled(-2 * MINUTE)
    corrected(timedelta(0), ids)
    assert Rule.DRIFT not in check_alerts_at()
    with time_machine.travel(NOW, tick=False):
        signal = RULES[Rule.DRIFT](measure())
    assert signal.state == "degraded"
    assert signal.summary == (
        "Recent reconciliations corrected 6 users whose events arrived here and failed. Repair the failed events."
    )


def test_users_whose_events_arrive_after_the_run_are_not_lost(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    ids = [f"user_{number}" for number in range(6)]
    reconciled(-2 * MINUTE)
    corrected(timedelta(0), ids)
    assert check_alerts_at() == [Rule.DRIFT]
    for clerk_id in ids:
        event(NOW - 57 * SECOND, state="stale", clerk_user_id=clerk_id)
    with time_machine.travel(NOW, tick=False):
        assert RULES[Rule.DRIFT](measure()).state == "well"


def test_earlier_events_of_corrected_users_do_not_hide_lost_events(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    ids = [f"user_{number}" for number in range(6)]
    for clerk_id in ids:
        event(NOW - 2 * MINUTE, clerk_user_id=clerk_id)
        event(NOW, event_type="session.created", clerk_user_id=clerk_id)
    reconciled(-2 * MINUTE)
    corrected(timedelta(0), ids)
    assert check_alerts_at() == [Rule.DRIFT]
    summary = Alert.objects.get().summary
    assert "corrected 6 users, whose events were probably lost" in summary
    assert f"dashboard has the URL {settings.SITE_URL}/api/webhooks/clerk." in summary


@pytest.mark.parametrize("field", ("skipped_deletions", "unreadable"))
def test_run_of_recent_changes_does_not_end_the_drift_of_a_full_run(settings: Settings, field: str) -> None:
    """A run of recent changes does not compare these users again."""
    settings.CLERK_SECRET_KEY = "sk_test_x"
    full = reconciled(timedelta(0), kind="full", **{field: 3})
    reconciled(MINUTE)
    assert check_alerts_at(MINUTE) == [Rule.DRIFT]
    assert Alert.objects.get().facts == {"reconciliation": full.pk}
    reconciled(2 * MINUTE, kind="full")
    check_alerts_at(2 * MINUTE)
    assert check_alerts_at(8 * MINUTE) == []


def test_failed_job_opens() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('mail', 'send', 'failed')"
        )
    assert check_alerts_at() == [Rule.JOBS]


def test_alert_about_jobs_contains_the_latest_error(receiver: Receiver) -> None:
    recovered, failed = create_job("succeeded", attempts=2), create_job("failed", attempts=2)
    failures.record(failed, ConnectionRefusedError(111, "Connection refused"))
    failures.record(recovered, TimeoutError("timed out"))
    assert check_alerts_at() == [Rule.JOBS]
    assert "Latest error: ConnectionRefusedError" in receiver.messages[0]["message"]


def test_full_disk_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = {"free": 10 * 1024**3}
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=100 * 1024**3, **usage))
    assert check_alerts_at() == []
    usage["free"] = 1024**3 // 2
    assert check_alerts_at() == [Rule.DISK_SPACE]


def test_missing_data_is_unknown(settings: Settings, tmp_path: Path) -> None:
    """Clerk cannot be queried without a key, and free disk space cannot be measured without the folder."""
    settings.CLERK_SECRET_KEY, settings.MEDIA_ROOT = "", tmp_path / "missing"
    health = measure()
    assert {RULES[rule](health).state for rule in (Rule.CLERK, Rule.DRIFT, Rule.DISK_SPACE)} == {"unknown"}


def test_disk_is_not_needed_if_images_are_in_an_object_store(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "missing"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": "core.object_store.ObjectStore"}}
    assert RULES[Rule.DISK_SPACE](measure()).state == "well"


def test_other_instance_opens_for_foreign_events(settings: Settings, webhook: WebhookClient) -> None:
    with time_machine.travel(NOW - MINUTE, tick=False):
        webhook.created(person())
    assert check_alerts_at() == []
    settings.CLERK_INSTANCE_ID = "ins_ours"
    assert check_alerts_at() == [Rule.OTHER_INSTANCE]


def test_pending_pushes_opens_after_fifteen_minutes() -> None:
    push = {"requested_at": NOW - 16 * MINUTE, "next_attempt_at": NOW}
    MetadataPush.objects.create(user=UserFactory.create(), state="pending", **push)
    assert check_alerts_at(-2 * MINUTE) == []
    assert check_alerts_at() == [Rule.PUSHES]


def test_refused_push_is_described_without_zeros() -> None:
    push = {"requested_at": NOW, "next_attempt_at": NOW}
    MetadataPush.objects.create(user=UserFactory.create(), state="refused", **push)
    assert check_alerts_at() == [Rule.PUSHES]
    alert = Alert.objects.get()
    assert alert.summary == "Clerk refused the changes of 1 user."
    assert alert.notified_causes == ["abandoned"]


def test_drift_opens_for_uncorrected_differences(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    Reconciliation.objects.create(kind="recent", state="finished", started_at=NOW, finished_at=NOW, missing=3)
    assert check_alerts_at() == []
    run = Reconciliation.objects.create(
        kind="recent", state="finished", started_at=NOW + MINUTE, finished_at=NOW + MINUTE, unrepaired=2
    )
    assert check_alerts_at(MINUTE) == [Rule.DRIFT]
    assert Alert.objects.get().facts == {"reconciliation": run.pk}


def test_drift_names_lost_events_beside_uncorrected_differences(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    for number in range(3):
        reconciled(number * MINUTE, repaired=min(number, 1), unrepaired=2)
    assert check_alerts_at(2 * MINUTE) == [Rule.DRIFT]
    alert = Alert.objects.get()
    assert alert.summary.startswith(
        "2 users still differ from Clerk after reconciliation. "
        "Recent reconciliations corrected 2 users, whose events were probably lost."
    )
    assert alert.notified_causes == ["still_differ", "corrected"]


def test_drift_opens_when_reconciliation_stops(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    Reconciliation.objects.create(kind="recent", state="finished", started_at=NOW, finished_at=NOW)
    assert check_alerts_at(timedelta(hours=1)) == []
    assert check_alerts_at(timedelta(hours=3)) == [Rule.DRIFT]


def test_watchdog_reports_missing_worker_once(receiver: Receiver) -> None:
    worker_watchdog.check()
    assert receiver.messages == []
    remove_workers()
    worker_watchdog.check()
    worker_watchdog.check()
    assert receiver.titles == ["[Opened] No worker is running"]


def test_audit_chain_opens_for_tampered_row() -> None:
    facts = {"started_at": NOW, "finished_at": NOW, "seal_count": 1, "row_count": 9, "erased_count": 0}
    AuditVerification.objects.create(**facts)
    assert check_alerts_at() == []
    AuditVerification.objects.create(**facts, first_bad_row=7, problems=["Row 7 was changed."])
    assert check_alerts_at() == [Rule.AUDIT_CHAIN]
    assert Alert.objects.get().summary == "Row 7 was changed."


def create_seal(at: datetime) -> None:
    nothing = {"digest": b"", "previous_mac": b"", "mac": b"", "leaves": b""}
    last = {"last_transaction": 1, "last_id": 1, "floor_id": 0, "max_id": 1, "row_count": 1, "total_rows": 1}
    AuditSeal.objects.create(number=1, sealed_at=at, format_version=1, cluster="x", key_id="x", **last, **nothing)


def create_verification(at: datetime, **facts: Any) -> None:
    AuditVerification.objects.create(started_at=at, finished_at=at, seal_count=1, row_count=9, erased_count=0, **facts)


def test_audit_chain_opens_after_two_missed_verifications(receiver: Receiver) -> None:
    """Verification runs every night at 4:23; NOW is 9:30."""
    create_seal(NOW - timedelta(days=9))
    create_verification(NOW - timedelta(hours=5))
    assert check_alerts_at() == []
    assert check_alerts_at(timedelta(days=1)) == []  # one missed night is tolerated
    assert check_alerts_at(timedelta(days=1, hours=20)) == []  # the deadline of the second night has not passed
    assert check_alerts_at(timedelta(days=2)) == [Rule.AUDIT_CHAIN]
    assert "not been verified for 53 hours" in Alert.objects.get().summary
    create_verification(NOW + timedelta(days=2))
    check_alerts_at(timedelta(days=2, minutes=1))
    assert check_alerts_at(timedelta(days=2, minutes=7)) == []
    assert receiver.titles == [f"[{what}] The audit log is not verified" for what in ("Opened", "Resolved")]


def test_tampering_after_a_missed_verification_is_notified(receiver: Receiver) -> None:
    create_verification(NOW - timedelta(days=3))
    check_alerts_at()
    create_verification(NOW, problems=["Row 7 was changed."])
    check_alerts_at(MINUTE)
    assert [title.partition("]")[0] for title in receiver.titles] == ["[Opened", "[New cause"]


def test_new_installation_gets_time_for_first_verification() -> None:
    assert check_alerts_at(timedelta(days=9)) == []  # no seals yet
    create_seal(NOW)
    assert check_alerts_at(timedelta(days=1)) == []
    assert check_alerts_at(timedelta(days=2)) == [Rule.AUDIT_CHAIN]


def test_verification_deadline_follows_schedule(settings: Settings) -> None:
    settings.AUDIT_VERIFY_CRON = "0 4 * * 0"
    create_seal(NOW)
    assert check_alerts_at(timedelta(days=8)) == []
    assert check_alerts_at(timedelta(days=15)) == [Rule.AUDIT_CHAIN]


# --- Actions ---


def act(person: Any, **typed: str) -> Any:
    return signed_in(person).post(f"/admin/webhooks/alert/{Alert.objects.get().pk}/action/", typed, follow=True)


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam & Admin")
    return adam


def test_acknowledging_is_audited(adam: User) -> None:
    create_dead_events()
    check_alerts_at()
    text = act(adam, action="acknowledge", note="Looking at it").content.decode()
    assert "Alert updated." in text
    assert "Looking at it" in text
    alert = Alert.objects.get()
    assert (alert.acknowledged_by, alert.is_open) == (adam, True)
    row = AuditLog.objects.get(action="ALERT_ACKNOWLEDGED")
    assert (row.actor, (row.details or {})["note"]) == (adam, "Looking at it")


def test_snooze_then_resolve(adam: User) -> None:
    create_dead_events()
    check_alerts_at()
    act(adam, action="snooze", hours="4")
    assert str(Alert.objects.get().state) == "snoozed"
    act(adam, action="resolve", note="Fixed")
    assert (Alert.objects.get().resolved_by, Alert.objects.get().note) == (adam, "Fixed")
    assert "already resolved" in act(adam, action="acknowledge").content.decode()
    assert sorted(AuditLog.objects.values_list("action", flat=True)) == ["ALERT_RESOLVED", "ALERT_SNOOZED"]


def test_each_note_is_audited_separately(adam: User) -> None:
    create_dead_events()
    check_alerts_at()
    act(adam, action="acknowledge", note="Looking at it")
    act(UserFactory.create(admin=True, name="Zoe"), action="snooze", hours="4", note="Until lunch")
    assert Alert.objects.get().note == "Looking at it\nUntil lunch"
    rows = AuditLog.objects.order_by("pk").values_list("actor_label", "details__note")
    assert [*rows] == [("Adam & Admin", "Looking at it"), ("Zoe", "Until lunch")]


def test_unfixed_problem_opens_new_alert_after_manual_resolve(adam: User, receiver: Receiver) -> None:
    create_dead_events()
    check_alerts_at()
    with time_machine.travel(NOW, tick=False):
        act(adam, action="resolve")
    check_alerts_at(MINUTE)
    assert Alert.objects.count() == 2
    assert receiver.titles == [f"[{what}] Dead events need attention" for what in ("Opened", "Resolved", "Opened")]


@pytest.mark.parametrize(
    "typed", ({}, {"action": "explode"}, {"action": "snooze", "hours": "-1"}, {"note": "x" * 3000})
)
def test_invalid_action_changes_nothing(adam: User, typed: dict[str, str]) -> None:
    create_dead_events()
    check_alerts_at()
    assert "Choose an action" in act(adam, **typed).content.decode()
    assert str(Alert.objects.get().state) == "open"


def test_former_admin_cannot_act(adam: User) -> None:
    create_dead_events()
    check_alerts_at()
    User.objects.filter(pk=adam.pk).update(roles=[])
    act(adam, action="resolve")
    assert Alert.objects.get().is_open


@pytest.mark.parametrize("rule", list(Rule))
def test_rule_has_runbook(adam: User, rule: Alert.Rule) -> None:
    response = signed_in(adam).get(f"/admin/webhooks/alert/runbooks/{rule}/")
    assert response.status_code == 200


def test_runbooks_link_to_each_other(adam: User) -> None:
    """Links between files in docs/runbooks are converted to links between admin pages."""
    response = signed_in(adam).get("/admin/webhooks/alert/runbooks/failure_rate/")
    assertContains(response, '<a href="../dead_events/">Dead events</a>')
    assertNotContains(response, ".md")


@pytest.mark.parametrize("name", ("nothing", "README", "settings-py"))
def test_unknown_runbook_is_not_found(adam: User, name: str) -> None:
    assert signed_in(adam).get(f"/admin/webhooks/alert/runbooks/{name}/", follow=True).status_code == 404


def test_runbook_list_shows_meaning_of_each(adam: User) -> None:
    page = signed_in(adam).get(RUNBOOKS).content.decode()
    names = re.findall(rf'href="{RUNBOOKS}(\w+)/"', page)
    assert names[: len(Rule)] == list(Rule)
    assert sorted(names) == sorted(path.stem for path in runbooks.FOLDER.glob("*.md"))
    assert "These events were not applied and will not be retried" in page
    assert "An instance other than the one in <code>CLERK_INSTANCE_ID</code> sends events" in page
    assert all(book.meaning for book in runbooks.list_runbooks())


@pytest.mark.parametrize("page", ("alert/", "dashboard/", "alert/runbooks/silence/"))
def test_page_links_to_runbook_list(adam: User, page: str) -> None:
    assert f'href="{RUNBOOKS}"' in signed_in(adam).get(f"/admin/webhooks/{page}").content.decode()
