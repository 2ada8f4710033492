"""Alerts open once, get worse, calm down, come back, and are told; each rule by causing what it watches."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from accounts.models import MetadataPush, Reconciliation, User
from audit.models import AuditLog, AuditSeal, AuditVerification
from core.times import start_of_hour
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.helpers.receiver import Receiver, listening
from tests.helpers.webhooks import WebhookClient, person
from tests.webhooks.inbox.test_retry_policy import failing_handlers
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.checks import check_alert_channels
from webhooks.models import Alert, Notification, RejectionCount, WebhookEvent
from webhooks.monitoring import alerts, runbooks, worker_watchdog
from webhooks.monitoring.health import Health
from webhooks.monitoring.rules import RULES

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
#: A port on which nobody listens.
DEAF = "json://127.0.0.1:9/"
RUNBOOKS = "/admin/webhooks/alert/runbooks/"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with listening() as receiver:
        settings.ALERT_URLS = [receiver.url]
        yield receiver


@pytest.fixture(autouse=True)
def worker() -> None:
    """Have a worker that beats, whatever the time is said to be."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")


def lose_workers() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")


def check(after: timedelta = timedelta(0)) -> list[str]:
    """Look some time after NOW, and return the rules that found something."""
    with time_machine.travel(NOW + after, tick=False):
        return sorted(alert.rule for alert in alerts.check())


def dead(count: int = 1) -> None:
    for _ in range(count):
        event(NOW - MINUTE, state="dead", processed_at=None)


def resolved_by_itself() -> None:
    """Let an alert open, and be over after seven minutes."""
    dead()
    check()
    WebhookEvent.objects.all().delete()
    check(MINUTE)
    check(7 * MINUTE)


# --- The life of an alert ---


def test_all_is_well_when_nothing_has_happened(receiver: Receiver) -> None:
    assert check() == []
    assert receiver.told == []


def test_a_trouble_opens_one_alert_and_is_told_once(receiver: Receiver) -> None:
    dead()
    for minutes in range(3):
        assert check(minutes * MINUTE) == [Rule.DEAD_EVENTS]
    alert = Alert.objects.get()
    assert alert.facts["events"] == [WebhookEvent.objects.get().pk]
    assert receiver.titles == ["[Opened] Dead events need attention"]
    assert f"/admin/webhooks/alert/{alert.pk}/change/" in receiver.told[0]["message"]
    assert "1 event is dead" in receiver.told[0]["message"]


def test_getting_worse_is_told_but_not_by_a_little(receiver: Receiver) -> None:
    dead(2)
    check()
    dead(1)
    check(MINUTE)
    assert len(receiver.told) == 1
    dead(1)
    check(2 * MINUTE)
    assert receiver.titles[1:] == ["[Worse] Dead events need attention"]


QUIET = ({"acknowledged_at": NOW}, {"snoozed_until": NOW + 5 * MINUTE})


@pytest.mark.parametrize("quiet", QUIET, ids=("acknowledged", "snoozed"))
def test_whoever_knows_is_not_told_that_it_gets_worse(receiver: Receiver, quiet: dict[str, Any]) -> None:
    dead()
    check()
    Alert.objects.update(**quiet)
    dead(20)
    check(MINUTE)
    assert "[Worse] Dead events need attention" not in receiver.titles
    check(6 * MINUTE)  # a snooze is over
    assert ("[Worse] Dead events need attention" in receiver.titles) == ("snoozed_until" in quiet)


def test_it_resolves_itself_when_it_has_been_well_for_a_while(receiver: Receiver) -> None:
    dead()
    check()
    WebhookEvent.objects.all().delete()
    assert check(MINUTE) == [Rule.DEAD_EVENTS]
    assert check(4 * MINUTE) == [Rule.DEAD_EVENTS]
    assert check(6 * MINUTE) == []
    assert receiver.titles == ["[Opened] Dead events need attention", "[Resolved] Dead events need attention"]


def test_it_does_not_flap(receiver: Receiver) -> None:
    """There and gone every two minutes is one alert, told once."""
    for number in range(6):
        dead()
        check(number * 2 * MINUTE)
        WebhookEvent.objects.all().delete()
        check((number * 2 + 1) * MINUTE)
    assert Alert.objects.count() == 1
    assert receiver.titles == ["[Opened] Dead events need attention"]


def test_what_comes_back_soon_is_the_same_alert(receiver: Receiver) -> None:
    resolved_by_itself()
    dead()
    check(20 * MINUTE)
    alert = Alert.objects.get()
    assert (alert.is_open, alert.reopened_count) == (True, 1)
    assert receiver.titles == ["[Opened] Dead events need attention", "[Resolved] Dead events need attention"]


def test_what_is_back_for_long_is_told_again_once(receiver: Receiver) -> None:
    """Whoever was told that it is over would never know."""
    resolved_by_itself()
    dead()
    for minutes in (20, 36, 39, 60, 90):
        check(minutes * MINUTE)
    told = [title for title in receiver.titles if title.endswith("Dead events need attention")]
    assert told == [
        "[Opened] Dead events need attention",
        "[Resolved] Dead events need attention",
        "[Opened] Dead events need attention",
    ]


def test_what_was_back_shortly_is_not_told_to_be_over_twice(receiver: Receiver) -> None:
    dead()
    check()
    WebhookEvent.objects.all().delete()
    check(MINUTE)
    check(7 * MINUTE)
    dead()
    check(10 * MINUTE)
    WebhookEvent.objects.all().delete()
    check(11 * MINUTE)
    assert check(17 * MINUTE) == []
    assert receiver.titles == ["[Opened] Dead events need attention", "[Resolved] Dead events need attention"]


def test_what_comes_back_late_is_a_new_one(receiver: Receiver) -> None:
    dead()
    check()
    WebhookEvent.objects.all().delete()
    check(MINUTE)
    check(7 * MINUTE)
    dead()
    check(40 * MINUTE)
    assert Alert.objects.filter(rule=Rule.DEAD_EVENTS).count() == 2
    assert receiver.titles.count("[Opened] Dead events need attention") == 2


def test_a_failing_channel_stops_no_other_and_is_tried_again(settings: Settings, receiver: Receiver) -> None:
    settings.ALERT_URLS = ["nonsense", DEAF, receiver.url]
    dead()
    check()
    assert len(receiver.told) == 1
    failed = Notification.objects.filter(sent_at=None)
    assert sorted(failed.values_list("attempts", flat=True)) == [1, 1]
    assert "127.0.0.1:9" not in "".join(failed.values_list("error", "channel").get(channel__startswith="json"))
    for minutes in range(1, 9):
        check(minutes * 2 * MINUTE)
    assert sorted(failed.values_list("attempts", flat=True)) == [5, 5]
    assert len(receiver.told) == 1


@pytest.mark.parametrize("url", ("nonsense://tok123/x", "slack://tok123", "pagerduty://tok123"))
def test_no_log_has_the_address_of_a_channel(settings: Settings, caplog: pytest.LogCaptureFixture, url: str) -> None:
    """Apprise writes those that it cannot read into its own log, whole."""
    settings.ALERT_URLS = [url]
    assert [found.id for found in check_alert_channels()] == ["webhooks.E005"]
    dead()
    check()
    assert "Apprise cannot parse the URL" in caplog.text
    assert "tok123" not in caplog.text


def test_a_rule_that_breaks_stops_no_other(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(health: Health) -> None:
        raise DatabaseError("canceling statement due to statement timeout")

    monkeypatch.setitem(RULES, Rule.FAILURE_RATE, breaks)  # the first one
    dead()
    assert check() == [Rule.DEAD_EVENTS]
    assert receiver.titles == ["[Opened] Dead events need attention"]
    assert "Could not evaluate the alert rule failure_rate" in caplog.text


def test_no_lock_outlives_its_transaction() -> None:
    """PgBouncer gives each transaction another session: a lock of a session would stay, and nobody would look any more."""
    with CaptureQueriesContext(connection) as statements:
        check()
    locks = [each["sql"] for each in statements if "advisory" in each["sql"]]
    assert locks
    assert all("_xact_lock" in sql for sql in locks)


def test_what_another_process_has_taken_on_is_not_sent_twice(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead()
    send = alerts._send

    def send_while_another_looks(url: str, notification: Notification) -> str:
        monkeypatch.setattr(alerts, "_send", send)
        alerts.send_notifications()
        return send(url, notification)

    monkeypatch.setattr(alerts, "_send", send_while_another_looks)
    check()
    assert receiver.titles == ["[Opened] Dead events need attention"]


def test_the_command_lists_what_is_open(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_alerts")
    assert capsys.readouterr().out == "No open alerts.\n"
    dead()
    with pytest.raises(SystemExit), time_machine.travel(NOW, tick=False):
        call_command("check_alerts")
    assert capsys.readouterr().out == "dead_events: 1 event is dead and will not be retried.\n"


# --- What each rule watches ---


def test_many_failing_events(webhook: WebhookClient) -> None:
    with time_machine.travel(NOW - MINUTE, tick=False):
        for _ in range(20):
            webhook.created(person())
        assert check() == []
        with failing_handlers():
            for _ in range(5):
                assert webhook.created(person()) == "failed"
    assert check() == [Rule.FAILURE_RATE]
    assert len(Alert.objects.get().facts["events"]) == 5


def test_many_failing_events_are_named_and_not_those_of_last_week() -> None:
    for day in range(25):
        event(NOW - timedelta(days=7 + day), state="dead", processed_at=None)
    failing = [event(NOW - MINUTE, state="failed", processed_at=None, next_attempt_at=NOW).pk for _ in range(5)]
    assert Rule.FAILURE_RATE in check()
    assert sorted(Alert.objects.get(rule=Rule.FAILURE_RATE).facts["events"]) == failing


def test_an_event_that_stays_unsettled() -> None:
    event(NOW - 31 * MINUTE, state="failed", processed_at=None, next_attempt_at=NOW)
    assert check(-2 * MINUTE) == []
    assert check() == [Rule.OLDEST_UNSETTLED]


def test_refused_requests() -> None:
    RejectionCount.objects.create(hour=start_of_hour(NOW), cause="bad_signature", requests=19)
    assert check() == []
    RejectionCount.objects.create(hour=start_of_hour(NOW), cause="too_large", requests=1)
    assert check() == [Rule.REJECTED]
    assert "bad_signature 19, too_large 1" in Alert.objects.get().summary


def test_events_of_another_instance(settings: Settings, webhook: WebhookClient) -> None:
    with time_machine.travel(NOW - MINUTE, tick=False):
        webhook.created(person())
    assert check() == []
    settings.CLERK_INSTANCE_ID = "ins_ours"
    assert check() == [Rule.OTHER_INSTANCE]


def test_silence_is_judged_by_what_is_usual() -> None:
    for number in range(200):
        event(NOW - number * 6 * MINUTE)
    assert check(90 * MINUTE) == []
    assert check(5 * timedelta(hours=1)) == [Rule.SILENCE]


def test_silence_is_not_over_because_it_lasts() -> None:
    for number in range(200):
        event(NOW - number * 6 * MINUTE)
    for days in (1, 6, 7, 8, 30):
        assert check(timedelta(days=days)) == [Rule.SILENCE]
    assert Alert.objects.get().ok_since is None


def test_a_quiet_night_is_no_silence() -> None:
    for day in (1, 2):
        for number in range(60):
            event(NOW - timedelta(days=day) + number * 6 * MINUTE)
    assert check() == []


def test_changes_that_do_not_reach_clerk() -> None:
    push = {"requested_at": NOW - 16 * MINUTE, "next_attempt_at": NOW}
    MetadataPush.objects.create(user=UserFactory.create(), state="pending", **push)
    assert check(-2 * MINUTE) == []
    assert check() == [Rule.PUSHES]


def test_people_who_still_differ(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    Reconciliation.objects.create(kind="recent", state="finished", started_at=NOW, finished_at=NOW, missing=3)
    assert check() == []
    run = Reconciliation.objects.create(
        kind="recent", state="finished", started_at=NOW + MINUTE, finished_at=NOW + MINUTE, unrepaired=2
    )
    assert check(MINUTE) == [Rule.DRIFT]
    assert Alert.objects.get().facts == {"reconciliation": run.pk}


def test_comparing_that_has_stopped(settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_x"
    Reconciliation.objects.create(kind="recent", state="finished", started_at=NOW, finished_at=NOW)
    assert check(timedelta(hours=1)) == []
    assert check(timedelta(hours=3)) == [Rule.DRIFT]


def test_no_worker_is_noticed_by_the_web_processes(receiver: Receiver) -> None:
    worker_watchdog.check()
    assert receiver.told == []
    lose_workers()
    worker_watchdog.check()
    worker_watchdog.check()
    assert receiver.titles == ["[Opened] No worker is running"]


def test_an_audit_log_that_was_tampered_with() -> None:
    facts = {"started_at": NOW, "finished_at": NOW, "seal_count": 1, "row_count": 9, "erased_count": 0}
    AuditVerification.objects.create(**facts)
    assert check() == []
    AuditVerification.objects.create(**facts, first_bad_row=7, problems=["Row 7 was changed."])
    assert check() == [Rule.AUDIT_CHAIN]
    assert Alert.objects.get().summary == "Row 7 was changed."


def seal(at: datetime) -> None:
    nothing = {"digest": b"", "previous_mac": b"", "mac": b"", "leaves": b""}
    last = {"last_transaction": 1, "last_id": 1, "floor_id": 0, "max_id": 1, "row_count": 1, "total_rows": 1}
    AuditSeal.objects.create(number=1, sealed_at=at, format_version=1, cluster="x", key_id="x", **last, **nothing)


def verified(at: datetime, **facts: Any) -> None:
    AuditVerification.objects.create(started_at=at, finished_at=at, seal_count=1, row_count=9, erased_count=0, **facts)


def test_an_audit_log_that_is_not_verified_any_more(receiver: Receiver) -> None:
    """Every night at 4:23; NOW is 9:30."""
    seal(NOW - timedelta(days=9))
    verified(NOW - timedelta(hours=5))
    assert check() == []
    assert check(timedelta(days=1)) == []  # one night may be missed
    assert check(timedelta(days=1, hours=20)) == []  # the second night is on
    assert check(timedelta(days=2)) == [Rule.AUDIT_CHAIN]
    assert "not been verified for 53 hours" in Alert.objects.get().summary
    verified(NOW + timedelta(days=2))
    check(timedelta(days=2, minutes=1))
    assert check(timedelta(days=2, minutes=7)) == []
    assert receiver.titles == [f"[{what}] The audit log is not verified" for what in ("Opened", "Resolved")]


def test_tampering_is_worse_than_not_looking(receiver: Receiver) -> None:
    verified(NOW - timedelta(days=3))
    check()
    verified(NOW, problems=["Row 7 was changed."])
    check(MINUTE)
    assert [title.partition("]")[0] for title in receiver.titles] == ["[Opened", "[Worse"]


def test_a_new_installation_has_time_for_its_first_verification() -> None:
    assert check(timedelta(days=9)) == []  # nothing is sealed
    seal(NOW)
    assert check(timedelta(days=1)) == []
    assert check(timedelta(days=2)) == [Rule.AUDIT_CHAIN]


def test_rare_verifications_are_late_later(settings: Settings) -> None:
    settings.AUDIT_VERIFY_CRON = "0 4 * * 0"
    seal(NOW)
    assert check(timedelta(days=8)) == []
    assert check(timedelta(days=15)) == [Rule.AUDIT_CHAIN]


# --- What people do about it ---


def act(person: Any, **typed: str) -> Any:
    return signed_in(person).post(f"/admin/webhooks/alert/{Alert.objects.get().pk}/action/", typed, follow=True)


@pytest.fixture
def adam() -> User:
    adam: User = UserFactory.create(admin=True, name="Adam & Admin")
    return adam


def test_taking_it_on_is_audited(adam: User) -> None:
    dead()
    check()
    text = act(adam, action="acknowledge", note="Looking at it").content.decode()
    assert "Alert updated." in text
    assert "Looking at it" in text
    alert = Alert.objects.get()
    assert (alert.acknowledged_by, alert.is_open) == (adam, True)
    row = AuditLog.objects.get(action="ALERT_ACKNOWLEDGED")
    assert (row.actor, (row.details or {})["note"]) == (adam, "Looking at it")


def test_putting_it_off_and_saying_that_it_is_over(adam: User) -> None:
    dead()
    check()
    act(adam, action="snooze", hours="4")
    assert str(Alert.objects.get().state) == "snoozed"
    act(adam, action="resolve", note="Fixed")
    assert (Alert.objects.get().resolved_by, Alert.objects.get().note) == (adam, "Fixed")
    assert "already resolved" in act(adam, action="acknowledge").content.decode()
    assert sorted(AuditLog.objects.values_list("action", flat=True)) == ["ALERT_RESOLVED", "ALERT_SNOOZED"]


def test_the_log_has_what_each_of_them_said(adam: User) -> None:
    dead()
    check()
    act(adam, action="acknowledge", note="Looking at it")
    act(UserFactory.create(admin=True, name="Zoe"), action="snooze", hours="4", note="Until lunch")
    assert Alert.objects.get().note == "Looking at it\nUntil lunch"
    rows = AuditLog.objects.order_by("pk").values_list("actor_label", "details__note")
    assert [*rows] == [("Adam & Admin", "Looking at it"), ("Zoe", "Until lunch")]


def test_what_was_said_to_be_over_and_is_not_opens_a_new_alert(adam: User, receiver: Receiver) -> None:
    dead()
    check()
    with time_machine.travel(NOW, tick=False):
        act(adam, action="resolve")
    check(MINUTE)
    assert Alert.objects.count() == 2
    assert receiver.titles == [f"[{what}] Dead events need attention" for what in ("Opened", "Resolved", "Opened")]


@pytest.mark.parametrize(
    "typed", ({}, {"action": "explode"}, {"action": "snooze", "hours": "-1"}, {"note": "x" * 3000})
)
def test_nonsense_changes_nothing(adam: User, typed: dict[str, str]) -> None:
    dead()
    check()
    assert "Choose an action" in act(adam, **typed).content.decode()
    assert str(Alert.objects.get().state) == "open"


def test_whoever_is_no_admin_any_more_can_do_nothing(adam: User) -> None:
    dead()
    check()
    User.objects.filter(pk=adam.pk).update(roles=[])
    act(adam, action="resolve")
    assert Alert.objects.get().is_open


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_has_a_runbook(adam: User, rule: Alert.Rule) -> None:
    response = signed_in(adam).get(f"/admin/webhooks/alert/runbooks/{rule}/")
    assert response.status_code == 200


def test_runbooks_lead_to_each_other(adam: User) -> None:
    """In the folder they are files beside each other, and here pages."""
    response = signed_in(adam).get("/admin/webhooks/alert/runbooks/failure_rate/")
    assertContains(response, '<a href="../dead_events/">dead events</a>')
    assertNotContains(response, ".md")


@pytest.mark.parametrize("name", ("nothing", "README", "settings-py"))
def test_nothing_else_is_shown_as_a_runbook(adam: User, name: str) -> None:
    assert signed_in(adam).get(f"/admin/webhooks/alert/runbooks/{name}/", follow=True).status_code == 404


def test_all_runbooks_are_listed_with_what_they_are_about(adam: User) -> None:
    page = signed_in(adam).get(RUNBOOKS).content.decode()
    names = re.findall(rf'href="{RUNBOOKS}(\w+)/"', page)
    assert names[: len(Rule)] == list(Rule)
    assert sorted(names) == sorted(path.stem for path in runbooks.FOLDER.glob("*.md"))
    assert "These events had no effect and are not tried again" in page
    assert "<code>CLERK_INSTANCE_ID</code> names our instance" in page
    assert all(book.meaning for book in runbooks.list_runbooks())


@pytest.mark.parametrize("page", ("alert/", "dashboard/", "alert/runbooks/silence/"))
def test_the_list_of_runbooks_is_found(adam: User, page: str) -> None:
    assert f'href="{RUNBOOKS}"' in signed_in(adam).get(f"/admin/webhooks/{page}").content.decode()
