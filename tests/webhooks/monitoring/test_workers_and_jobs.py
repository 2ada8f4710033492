"""Signals about workers that keep restarting, and about jobs that keep failing or start late."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from core.db.locks import try_lock
from core.times import HOUR
from tests.helpers.clients import with_password
from tests.webhooks.jobs.rows import add_event, create_job
from tests.webhooks.monitoring.test_hourly_counts import event
from webhooks.admin.alert_lists import list_links
from webhooks.inbox.service import retry_event
from webhooks.models import AggregationProgress, Alert, AlertCheck, Notification
from webhooks.monitoring import alerts, overall_status, rules, worker_watchdog
from webhooks.monitoring.health import measure
from webhooks.monitoring.measurements.jobs import failed_jobs
from webhooks.monitoring.notifications import messages, services
from webhooks.monitoring.rules import RULES
from webhooks.monitoring.signals import Signal

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def signal_at(moment: datetime, rule: Alert.Rule = Alert.Rule.WORKER_GONE) -> Signal:
    """Evaluate the rules as the scheduled job does, and return a signal."""
    with time_machine.travel(moment, tick=False):
        alerts.check()
        return RULES[rule](measure())


def start_worker(moment: datetime, running: int = 1) -> None:
    """Start a worker, and keep only the heartbeats of the latest ones."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (%s)", [moment])
        cursor.execute(
            """DELETE FROM procrastinate_workers WHERE id NOT IN (
                SELECT id FROM procrastinate_workers ORDER BY id DESC LIMIT %s)""",
            [running],
        )


def add_job(task: str, status: str = "todo", **columns: Any) -> None:
    values = {"queue_name": "default", "task_name": task, "status": status, **columns}
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO procrastinate_jobs ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})",
            list(values.values()),
        )


class TestRestarts:
    def test_crashing_worker_is_broken_and_then_well(self) -> None:
        signal_at(NOW)
        for number in range(12):
            start_worker(NOW + 5 * number * SECOND)
            signal = signal_at(NOW + 5 * number * SECOND)
        assert signal.state == "broken"
        assert signal.title == "Workers keep restarting"
        start_worker(NOW + 60 * SECOND)
        signal_at(NOW + 62 * SECOND)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = %s", [NOW + 2 * MINUTE])
        assert signal_at(NOW + 110 * SECOND).state == "well"

    def test_alert_about_restarts_says_how_often_and_names_interrupted_jobs(self) -> None:
        signal_at(NOW)
        for number in range(5):
            start_worker(NOW + 5 * number * SECOND)
            signal_at(NOW + 5 * number * SECOND)
        alert = Alert.objects.get(rule=Alert.Rule.WORKER_GONE)
        started = "Queue workers have started 5 times within ten minutes, last at 09:30:20 UTC. They probably crash."
        message = messages.build(Notification(alert=alert, kind=Notification.Kind.OPENED))
        assert message.title == "[Opened] Workers keep restarting"
        assert alert.summary == f"{started} The end of the worker’s log contains the reason."
        assert "Workers keep restarting" in with_password().get("/admin/webhooks/alert/").content.decode()
        add_job("accounts.privacy.exports.build_data_export", "doing")
        summary = signal_at(NOW + 21 * SECOND).summary
        assert summary == f"{started} Jobs that were running when a worker died: Build a data export."

    def test_killed_workers_do_not_count_as_running(self) -> None:
        """A killed worker leaves its row, whose heartbeat counts as recent for 30 seconds."""
        signal_at(NOW)
        for number in range(8):
            start_worker(NOW + 5 * number * SECOND, running=8)
            signal = signal_at(NOW + (5 * number + 1) * SECOND)
        assert signal.title == "Workers keep restarting"

    @pytest.mark.parametrize("gap", (60 * SECOND, 2 * MINUTE))
    def test_slowly_crashing_worker_is_broken_between_two_starts(self, gap: timedelta) -> None:
        """A supervisor that waits longer before each restart leaves a worker that seems stable for a minute."""
        for number in range(20):
            if (number * 30 * SECOND) % gap == timedelta(0):
                start_worker(NOW + number * 30 * SECOND)
            with connection.cursor() as cursor:
                cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = %s", [NOW + number * 30 * SECOND])
            signal = signal_at(NOW + number * 30 * SECOND)
            assert (signal.state == "broken") == (number * 30 * SECOND >= 4 * gap), number

    def test_deployments_of_many_workers_are_well(self) -> None:
        for _ in range(8):
            start_worker(NOW - MINUTE, running=8)
        signal_at(NOW - 30 * SECOND)
        for number in range(16):
            start_worker(NOW + number * SECOND, running=8)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = %s", [NOW + 18 * SECOND])
        assert signal_at(NOW + 20 * SECOND).state == "well"

    def test_old_starts_are_forgotten(self) -> None:
        for number in range(60):
            start_worker(NOW + number * MINUTE)
            signal_at(NOW + number * MINUTE)
        assert len(AlertCheck.objects.get().worker_starts) <= 12
        start_worker(NOW + 120 * MINUTE)
        assert signal_at(NOW + 120 * MINUTE).state == "well"

    def test_web_server_evaluates_rules_if_running_workers_do_not(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")
        worker_watchdog.check()
        first = AlertCheck.objects.get().checked_at
        worker_watchdog.check()
        assert AlertCheck.objects.get().checked_at == first
        AlertCheck.objects.update(completed_at=timezone.now() - 80 * SECOND)
        worker_watchdog.check()
        assert AlertCheck.objects.get().checked_at > first

    def test_only_one_web_server_evaluates_the_rules_at_a_time(self) -> None:
        with try_lock(worker_watchdog.LOCK):
            worker_watchdog.check()
        assert not AlertCheck.objects.exists()
        worker_watchdog.check()
        assert AlertCheck.objects.exists()

    def test_evaluation_is_complete_after_notifications_are_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Otherwise, nobody would send them while a worker dies before it does."""
        overdue: list[bool] = []
        monkeypatch.setattr(services, "send_due", lambda: overdue.append(alerts.is_overdue(timezone.now())))
        alerts.check()
        assert overdue == [True]
        assert not alerts.is_overdue(timezone.now())

    def test_web_server_evaluates_rules_if_the_worker_dies_in_each_evaluation(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start_worker(datetime(2099, 1, 1, tzinfo=UTC))
        with time_machine.travel(NOW, tick=False):
            alerts.check()
        with monkeypatch.context() as patch:
            patch.setattr(alerts, "_changing_rules", Mock(side_effect=SystemExit))
            for number in (15, 30, 45):
                with time_machine.travel(NOW + number * SECOND, tick=False), pytest.raises(SystemExit):
                    alerts.check()
        with time_machine.travel(NOW + 46 * SECOND, tick=False):
            worker_watchdog.check()
            assert not alerts.is_overdue(timezone.now())
        assert AlertCheck.objects.get().checked_at == NOW + 46 * SECOND


class TestJobs:
    def test_failing_job_is_reported_while_its_next_attempt_runs(self) -> None:
        """An attempt against a mail server that does not answer takes a minute."""
        for status in ("todo", "doing", "todo", "doing"):
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM procrastinate_jobs")
            add_job("profiles.contact.emails.mail_contact_message", status, attempts=3)
            signal = signal_at(NOW, Alert.Rule.JOBS)
            assert (signal.state, "Send a contact message" in signal.summary) == ("broken", True), status

    def test_counts_of_a_new_site_are_not_out_of_date(self) -> None:
        """The job that counts events runs at the first full minute after the worker has started."""
        start_worker(datetime(2099, 1, 1, tzinfo=UTC))
        event(NOW - timedelta(days=3))
        assert signal_at(NOW, Alert.Rule.JOBS).state == "well"
        assert signal_at(NOW + 5 * MINUTE, Alert.Rule.JOBS).state == "well"
        signal = signal_at(NOW + 6 * MINUTE, Alert.Rule.JOBS)
        assert (signal.state, signal.title) == ("broken", "Event counts are out of date")

    def test_counts_are_not_out_of_date_right_after_a_downtime(self) -> None:
        start_worker(NOW)
        AggregationProgress.objects.create(aggregated_at=NOW)
        signal_at(NOW, Alert.Rule.JOBS)
        start_worker(datetime(2099, 1, 1, tzinfo=UTC))
        assert signal_at(NOW + 60 * MINUTE, Alert.Rule.JOBS).state == "well"
        assert signal_at(NOW + 66 * MINUTE, Alert.Rule.JOBS).title == "Event counts are out of date"

    def test_repeatedly_failing_job_is_reported_before_its_last_attempt(self) -> None:
        add_job("profiles.contact.emails.mail_contact_message", attempts=2)
        assert signal_at(NOW, Alert.Rule.JOBS).state == "well"
        add_job("profiles.contact.emails.mail_contact_message", attempts=3)
        signal = signal_at(NOW, Alert.Rule.JOBS)
        assert signal.state == "broken"
        assert "Send a contact message" in signal.summary

    def test_every_problem_is_reported_at_once(self) -> None:
        """At 3 am, one failed export must not hide that no other job runs."""
        start_worker(datetime(2099, 1, 1, tzinfo=UTC))
        AggregationProgress.objects.create(aggregated_at=NOW)
        signal_at(NOW, Alert.Rule.JOBS)
        add_job("accounts.privacy.exports.build_data_export", "failed")
        add_job("profiles.contact.emails.mail_contact_message", attempts=3)
        add_job("any.task", scheduled_at=NOW)
        signal = signal_at(NOW + 20 * MINUTE, Alert.Rule.JOBS)
        for words in ("1 background job failed", "Event counts are out of date", "at least three times", "is overdue"):
            assert words in signal.summary
        assert signal.causes[1:] == ("counts", "profiles.contact.emails.mail_contact_message", "overdue")
        assert (signal.state, signal.title) == ("broken", "")

    def test_failed_job_is_reported_although_event_counts_are_locked(self) -> None:
        start_worker(NOW)
        add_job("accounts.privacy.exports.build_data_export", "failed")
        with time_machine.travel(NOW, tick=False):
            health = measure()
        object.__delattr__(health, "aggregated_at")
        assert RULES[Alert.Rule.JOBS](health).causes == ("accounts.privacy.exports.build_data_export",)

    def test_long_summary_still_opens_an_alert(self) -> None:
        for number in range(40):
            add_job(f"site.tasks.without_description_{number}", "failed")
        assert signal_at(NOW, Alert.Rule.JOBS).state == "broken"
        assert Alert.objects.get(rule=Alert.Rule.JOBS).summary.endswith("…")

    def test_problem_has_the_same_name_on_the_dashboard_and_in_its_alert(self) -> None:
        """The title of a signal replaces the name of its rule on the dashboard only."""
        add_job("profiles.contact.emails.mail_contact_message", attempts=3)
        assert signal_at(NOW, Alert.Rule.JOBS).title == ""
        status = overall_status.summarize(rules.evaluate(measure()), [], NOW)
        assert str(Alert.objects.get(rule=Alert.Rule.JOBS)) in status.text

    def test_summary_names_jobs_by_their_titles(self) -> None:
        add_job("accounts.privacy.exports.build_data_export", "failed")
        add_job("site.tasks.without_description", "failed")
        summary = signal_at(NOW, Alert.Rule.JOBS).summary
        assert summary.endswith("Build a data export, site.tasks.without_description.")

    def test_later_success_of_the_same_task_clears_the_signal(self) -> None:
        """A single rejected address is not a mail server outage."""
        add_job("profiles.contact.emails.mail_contact_message", attempts=3)
        add_job("profiles.contact.emails.mail_contact_message", "succeeded")
        assert signal_at(NOW, Alert.Rule.JOBS).state == "well"

    @pytest.mark.parametrize(
        ("task", "expected"),
        (("accounts.tasks.reconcile_recent", "well"), ("accounts.privacy.exports.build_data_export", "broken")),
    )
    def test_periodic_job_failure_clears_after_its_next_success(self, task: str, expected: str) -> None:
        add_job(task, "failed")
        assert signal_at(NOW, Alert.Rule.JOBS).state == "broken"
        add_job(task, "succeeded")
        assert signal_at(NOW, Alert.Rule.JOBS).state == expected

    def test_many_successful_jobs_are_not_read(self) -> None:
        """With a million successful jobs, reading them for each failed job took 13 s."""
        with connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO procrastinate_jobs (queue_name, task_name, status)
                SELECT 'default', 'webhooks.tasks.check_alerts',
                    (CASE WHEN number % 100 = 0 THEN 'failed' ELSE 'succeeded' END)::procrastinate_job_status
                FROM generate_series(1, 5000) AS number"""
            )
            cursor.execute("ANALYZE procrastinate_jobs")
        assert "Seq Scan" not in failed_jobs().explain()

    def test_retries_of_events_have_their_own_rules(self) -> None:
        add_job(retry_event.name, attempts=4)
        assert signal_at(NOW, Alert.Rule.JOBS).state == "well"

    def test_job_15_minutes_late_is_reported(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES ('2099-01-01')")
        AggregationProgress.objects.create(aggregated_at=datetime(2099, 1, 1, tzinfo=UTC))
        add_job("any.task", scheduled_at=NOW)
        assert signal_at(NOW + 5 * MINUTE, Alert.Rule.JOBS).state == "degraded"
        signal = signal_at(NOW + 16 * MINUTE, Alert.Rule.JOBS)
        assert (signal.state, "1 job is overdue by 16 minutes" in signal.summary) == ("broken", True)

    def test_job_without_a_scheduled_time_can_be_late(self) -> None:
        """A job that should start at once is due when it is queued."""
        start_worker(datetime(2099, 1, 1, tzinfo=UTC))
        AggregationProgress.objects.create(aggregated_at=datetime(2099, 1, 1, tzinfo=UTC))
        with time_machine.travel(NOW, tick=False):
            create_job(task="any.task")
        assert signal_at(NOW + 5 * MINUTE, Alert.Rule.JOBS).state == "degraded"
        assert "overdue by 16 minutes" in signal_at(NOW + 16 * MINUTE, Alert.Rule.JOBS).summary

    def test_job_that_hangs_is_reported(self) -> None:
        """The worker sends heartbeats and runs other jobs."""
        start_worker(datetime(2099, 1, 1, tzinfo=UTC))
        AggregationProgress.objects.create(aggregated_at=datetime(2099, 1, 1, tzinfo=UTC))
        add_event(create_job("doing", task="accounts.tasks.reconcile_all"), "started", NOW)
        assert signal_at(NOW + 5 * HOUR, Alert.Rule.JOBS).state == "well"
        signal = signal_at(NOW + 7 * HOUR, Alert.Rule.JOBS)
        assert (signal.state, signal.causes) == ("broken", ("stuck",))
        assert "1 job has been running for more than 6 hours: Compare all users" in signal.summary


LATE = timezone.now() - 20 * MINUTE


@pytest.mark.parametrize(
    "values",
    (
        pytest.param({"status": "failed"}, id="failed"),
        pytest.param({"status": "failed", "attempts": 4}, id="given up"),
        pytest.param({"attempts": 3, "scheduled_at": datetime(2099, 1, 1, tzinfo=UTC)}, id="retrying"),
        pytest.param({"scheduled_at": LATE}, id="overdue"),
        pytest.param({"queued": 20 * MINUTE}, id="overdue without a scheduled time"),
    ),
)
def test_alert_leads_to_the_list_with_the_job_that_it_is_about(values: dict[str, Any]) -> None:
    start_worker(datetime(2099, 1, 1, tzinfo=UTC))
    AggregationProgress.objects.create(aggregated_at=datetime(2099, 1, 1, tzinfo=UTC))
    job = create_job(**values)
    create_job("succeeded", task="another.task")
    create_job("todo", task="another.task", scheduled_at=datetime(2099, 1, 1, tzinfo=UTC))
    alerts.check()
    [link] = list_links(Alert.objects.get(rule=Alert.Rule.JOBS))
    assert [row.pk for row in with_password().get(link.url).context["cl"].result_list] == [job]
