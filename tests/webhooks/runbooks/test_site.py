"""Follow the runbooks about the site itself: workers, jobs, disks, diagnostic checks, and the audit log."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk.diagnostics import Finding
from audit import tasks as audit_tasks
from audit.models import AuditLog, AuditSeal, AuditVerification
from audit.sealing import checkpoints, seals
from config import views
from config.middleware import https_redirect
from tests.audit.rows import create_row, execute_as_owner
from tests.helpers.factories import UserFactory
from tests.webhooks.doctor.test_hosts import report
from tests.webhooks.jobs.rows import add_event, create_job
from tests.webhooks.monitoring.test_workers_and_jobs import start_worker
from tests.webhooks.runbooks.steps import ReadStep, page, state_of
from webhooks.doctor import jobs as doctor_jobs
from webhooks.doctor import runner
from webhooks.jobs import failures
from webhooks.models import AggregationProgress, Alert, AlertCheck, HostReport
from webhooks.monitoring import alerts, hourly_counts
from webhooks.tasks import aggregate_counts

pytestmark = pytest.mark.django_db

Rule = Alert.Rule
JOBS = "/admin/webhooks/job/"
GIB = 1024**3
REASON = "Following the runbook"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FAR_FUTURE = datetime(2099, 1, 1, tzinfo=UTC)


def finish_jobs() -> None:
    """Run waiting and running jobs successfully, like a worker."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE status IN ('todo', 'doing')")


def retry_all(admin: Client, job: int) -> None:
    """Retry all jobs with the same error as a job, from the job's page."""
    [group] = re.findall(r'href="([^"]+)">All failures with this error', page(admin, f"{JOBS}{job}/change/"))
    [retry] = re.findall(r'href="([^"]+)">Retry all jobs…', page(admin, group))
    [newest] = re.findall(r'name="newest" value="(\d+)"', page(admin, retry))
    assert "1 job will run again." in admin.post(retry, {"action": "retry", "newest": newest}, follow=True).text


def failed_job() -> int:
    job = create_job("failed", attempts=4)
    add_event(job, "started", timezone.now())
    failures.record(job, ConnectionError("The mail server is not reachable."))
    return job


class TestBackgroundJobs:
    def test_mail_server_was_down(self, step: ReadStep, admin: Client) -> None:
        job = failed_job()
        assert state_of(Rule.JOBS) == "broken"
        assert f"{JOBS}{job}/change/" in step("background_jobs", 1).open("list of failed jobs")
        assert "The mail server is not reachable." in page(admin, f"{JOBS}{job}/change/")
        retry_all(admin, job)
        finish_jobs()
        assert state_of(Rule.JOBS) == "well"

    def test_address_is_invalid(self, step: ReadStep, admin: Client) -> None:
        job = failed_job()
        assert f"{JOBS}{job}/change/" in step("background_jobs", 2).open("job's page")
        assert "Discard" in page(admin, f"{JOBS}{job}/change/")
        admin.post(f"{JOBS}{job}/action/", {"action": "discard"})
        assert state_of(Rule.JOBS) == "well"

    def test_event_counts_are_out_of_date(self, step: ReadStep, admin: Client) -> None:
        start_worker(FAR_FUTURE)
        AggregationProgress.objects.create(aggregated_at=timezone.now() - 6 * MINUTE)
        alerts.check()
        assert state_of(Rule.JOBS, after=6 * MINUTE) == "broken"
        job = create_job("todo", task=aggregate_counts.name, attempts=2)
        assert f'value="{aggregate_counts.name}">Count events' in step("background_jobs", 3).open("list of jobs")
        assert f"{JOBS}{job}/change/" in page(admin, f"{JOBS}?task={aggregate_counts.name}")
        hourly_counts.aggregate()
        assert state_of(Rule.JOBS) == "well"

    def test_jobs_are_overdue(self, step: ReadStep) -> None:
        start_worker(FAR_FUTURE)
        AggregationProgress.objects.create(aggregated_at=FAR_FUTURE)
        late = create_job(queued=20 * MINUTE)
        running = create_job("doing", attempts=1)
        assert state_of(Rule.JOBS) == "broken"
        overdue = step("background_jobs", 4)
        assert f"{JOBS}{late}/change/" in overdue.open("overdue jobs")
        assert f"{JOBS}{running}/change/" in overdue.open("running jobs")
        finish_jobs()
        assert state_of(Rule.JOBS) == "well"


class TestWorkerGone:
    def test_worker_was_not_started(self, step: ReadStep) -> None:
        create_job(queued=5 * MINUTE)
        assert state_of(Rule.WORKER_GONE) == "broken"
        start = step("worker_gone", 1)
        assert "none running" in start.open("dashboard")
        start_worker(timezone.now())
        assert "1 running" in start.open("dashboard")
        assert state_of(Rule.WORKER_GONE) == "well"

    def test_worker_has_a_wrong_setting(self, step: ReadStep) -> None:
        report("web1")
        report("web2")
        report("worker1", kind="worker", SECRET_KEY="dddddd")
        assert state_of(Rule.WORKER_GONE) == "broken"
        runner.run(["hosts"])
        assert "other values of SECRET_KEY" in step("worker_gone", 2).open("Diagnostics")
        start_worker(timezone.now())
        assert state_of(Rule.WORKER_GONE) == "well"

    def test_worker_loses_its_connection(self, step: ReadStep) -> None:
        assert state_of(Rule.WORKER_GONE) == "broken"
        runner.run(["pooler"])
        assert "The connection is direct." in step("worker_gone", 3).open("Diagnostics")
        start_worker(timezone.now())  # Restart=always
        assert state_of(Rule.WORKER_GONE) == "well"

    def test_job_kills_its_worker(self, step: ReadStep, admin: Client) -> None:
        now = timezone.now()
        for number in range(12):
            with time_machine.travel(now + 5 * number * SECOND, tick=False):
                start_worker(timezone.now())
                alerts.check()
        assert state_of(Rule.WORKER_GONE, after=56 * SECOND) == "broken"
        assert "times within ten minutes, last at" in Alert.objects.get(rule=Rule.WORKER_GONE).summary
        job = create_job("doing", attempts=5)
        assert f"{JOBS}{job}/change/" in step("worker_gone", 4).open("list of running jobs")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [job])
            cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = %s", [now + 3 * MINUTE])
        assert "Given up" in page(admin, f"{JOBS}{job}/change/")
        assert state_of(Rule.WORKER_GONE, after=3 * MINUTE) == "well"

    def test_worker_is_hung(self, step: ReadStep) -> None:
        start_worker(timezone.now() - 5 * MINUTE)
        assert state_of(Rule.WORKER_GONE) == "broken"
        start_worker(timezone.now())
        assert "last heartbeat" in step("worker_gone", 5).open("dashboard")
        assert state_of(Rule.WORKER_GONE) == "well"

    def test_results_of_the_rules_cannot_be_stored(self, step: ReadStep) -> None:
        start_worker(timezone.now())
        alerts.check()
        AlertCheck.objects.update(checked_at=timezone.now() - 10 * MINUTE, worker_starts=[])
        with connection.cursor() as cursor:
            cursor.execute("SELECT last_value FROM procrastinate_workers_id_seq")
            [latest] = cursor.fetchone()
        long_ago = (timezone.now() - 10 * MINUTE).isoformat()
        AlertCheck.objects.update(worker_starts=[(long_ago, latest)])
        assert state_of(Rule.WORKER_GONE) == "broken"
        check = step("worker_gone", 6)
        assert "Alerts are not checked" in check.open("dashboard")
        alerts.check()  # the disk of the database has space again
        assert "Alerts are not checked" not in check.open("dashboard")


class TestDiskSpace:
    @pytest.fixture
    def free(self, monkeypatch: pytest.MonkeyPatch, media: Path) -> Iterator[dict[str, int]]:
        """Return the free space, which is too small at first."""
        media.mkdir()
        free = {"free": GIB // 2}
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=100 * GIB, **free))
        assert state_of(Rule.DISK_SPACE) == "broken"
        yield free
        assert state_of(Rule.DISK_SPACE) == "well"

    def test_logs_are_deleted(self, step: ReadStep, free: dict[str, int]) -> None:
        runner.run(["disk"])
        delete = step("disk_space", 1)
        assert "0.5 GiB free" in delete.open("Diagnostics")
        free["free"] = 50 * GIB
        runner.run(["disk"])
        assert "50.0 GiB free" in delete.open("Diagnostics")

    def test_unused_images_were_not_deleted(self, step: ReadStep, free: dict[str, int]) -> None:
        clean = step("disk_space", 2)
        assert ">Delete unused images</option>" in clean.open("list of jobs")
        assert "python manage.py procrastinate worker" in clean.open("start one")
        free["free"] = 50 * GIB

    def test_disk_is_enlarged(self, step: ReadStep, admin: Client, free: dict[str, int]) -> None:
        free["free"] = 50 * GIB
        check = step("disk_space", 3)
        admin.post(check.url("Diagnostics"))
        assert doctor_jobs.is_run_requested()
        runner.run(["media", "disk"])
        assert "A file was written, read and deleted." in check.open("Diagnostics")


class TestDiagnostics:
    """Each check fails, is fixed as in its step, and passes when it runs again."""

    @pytest.fixture(autouse=True)
    def after(self, admin: Client, step: ReadStep) -> Iterator[None]:
        yield
        run = step("diagnostics", 9)
        assert "Run now" in run.open("Diagnostics")
        admin.post(run.url("Diagnostics"))
        assert doctor_jobs.is_run_requested()
        assert state_of(Rule.DIAGNOSTICS) == "well"

    def fail(self, name: str, problem: str) -> None:
        runner.run([name], {name: lambda: Finding(problem, "Fix it.")})
        assert state_of(Rule.DIAGNOSTICS) == "broken"

    def fix(self, name: str) -> None:
        runner.run([name], {name: lambda: Finding(note="Valid.")})

    def test_certificate_has_expired(self, step: ReadStep) -> None:
        self.fail("own_certificate", "The certificate expired yesterday.")
        assert "The certificate expired yesterday." in step("diagnostics", 1).open("Diagnostics")
        self.fix("own_certificate")

    def test_address_of_the_frontend_api_is_missing(self, step: ReadStep) -> None:
        self.fail("frontend_dns", "clerk.example.com has no address.")
        assert step("diagnostics", 2).links["Clerk's dashboard"].startswith("https://dashboard.clerk.com/")
        self.fix("frontend_dns")

    def test_mail_server_is_down(self, step: ReadStep, admin: Client, settings: Settings) -> None:
        options = {"host": "127.0.0.1", "port": 1}
        backend = "django.core.mail.backends.smtp.EmailBackend"
        with_smtp = {"default": {"BACKEND": backend, "OPTIONS": options}}
        settings.MAILERS, usual = with_smtp, settings.MAILERS
        runner.run(["mail"])
        assert state_of(Rule.DIAGNOSTICS) == "broken"
        job = failed_job()
        assert f"{JOBS}{job}/change/" in step("diagnostics", 3).open("jobs")
        settings.MAILERS = usual
        retry_all(admin, job)
        runner.run(["mail"])

    def test_images_cannot_be_written(self, step: ReadStep, media: Path) -> None:
        media.write_text("A file instead of a folder.")
        runner.run(["media"])
        assert state_of(Rule.DIAGNOSTICS) == "broken"
        assert "MEDIA_ROOT" in step("diagnostics", 4).open("The disk with uploaded images is almost full")
        media.unlink()
        runner.run(["media"])

    def test_setting_is_wrong(self, step: ReadStep, settings: Settings) -> None:
        settings.CLERK_PUBLISHABLE_KEY, usual = "", settings.CLERK_PUBLISHABLE_KEY
        runner.run(["instance"])
        assert "CLERK_PUBLISHABLE_KEY is not set" in step("diagnostics", 5).open("Diagnostics")
        settings.CLERK_PUBLISHABLE_KEY = usual
        self.fix("instance")

    def test_log_is_not_archived(self, step: ReadStep) -> None:
        self.fail("archiving", "PostgreSQL has failed to archive its log since yesterday.")
        assert "failed to archive its log" in step("diagnostics", 8).open("Diagnostics")
        self.fix("archiving")

    def test_host_has_an_old_version(self, step: ReadStep) -> None:
        report("web1", version="1.1")
        report("worker1", version="1.1", kind="worker")
        report("web2")
        runner.run(["hosts"])
        assert state_of(Rule.DIAGNOSTICS) == "broken"
        assert "version 1.0 instead of 1.1" in step("diagnostics", 6).open("Diagnostics")
        HostReport.objects.update(version="1.1")
        runner.run(["hosts"])


class TestUnreachable:
    def test_metrics_have_another_token(self, step: ReadStep, client: Client, settings: Settings) -> None:
        settings.METRICS_TOKEN, settings.METRICS_ALLOWED_IPS = "right", []
        assert client.get("/metrics", headers={"authorization": "Bearer old"}).status_code == 404
        step("unreachable", 1).open("dashboard")
        assert client.get("/metrics", headers={"authorization": "Bearer right"}).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_database_is_down(self, step: ReadStep, client: Client, request: pytest.FixtureRequest) -> None:
        ready = step("unreachable", 2)
        assert client.get(ready.links["/readyz"]).status_code == 200
        request.getfixturevalue("database_down")
        assert client.get("/readyz").json() == {"status": "database_unreachable"}
        ready.url("/readyz")

    def test_migrations_are_pending(self, step: ReadStep, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(views, "_migrated", False)
        newest = MigrationRecorder.Migration.objects.filter(app="audit").latest("id")
        newest.delete()
        assert client.get("/readyz").json() == {"status": "migrations_pending"}
        newest.save(force_insert=True)  # manage.py migrate
        assert '"ok"' in step("unreachable", 3).open("/readyz")

    def test_servers_do_not_recognize_https(
        self, step: ReadStep, settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = step("unreachable", 5).url("The home page")
        monkeypatch.setattr(https_redirect, "_interval", https_redirect._Interval(60))
        settings.SECURE_SSL_REDIRECT = True
        client.get(home, headers={"x-forwarded-proto": "https"})
        assert "This page redirects to itself" in client.get(home, headers={"x-forwarded-proto": "https"}).text
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        assert client.get(home, headers={"x-forwarded-proto": "https"}).status_code == 200

    def test_alerts_are_open_afterwards(self, step: ReadStep, admin: Client) -> None:
        alerts.check()
        alert = Alert.objects.get(rule=Rule.WORKER_GONE)
        assert f"/admin/webhooks/alert/{alert.pk}/change/" in step("unreachable", 6).open("dashboard")
        assert "/runbooks/worker_gone/" in page(admin, f"/admin/webhooks/alert/{alert.pk}/change/")


@pytest.mark.django_db(transaction=True)
class TestAuditChain:
    VERIFICATIONS = "/admin/audit/auditverification/"

    @pytest.fixture(autouse=True)
    def sealed_row(self, settings: Settings) -> AuditLog:
        settings.AUDIT_SEAL_KEYS, settings.AUDIT_CHECKPOINTS = ["the key of the tests, long enough"], []
        row = create_row()
        seals.seal()
        return row

    def verify(self, admin: Client, url: str) -> str:
        """Verify the log from the admin, and return the verification's page."""
        admin.post(f"{url}verify/", {"reason": REASON})
        audit_tasks.verify_now()
        finish_jobs()
        return page(admin, f"{url}{AuditVerification.objects.latest('pk').pk}/change/")

    def test_row_was_changed(self, step: ReadStep, admin: Client, sealed_row: AuditLog, tmp_path: Path) -> None:
        number, file = sealed_row.pk, tmp_path / "checkpoints.txt"
        file.write_text(checkpoints.line(AuditSeal.objects.get()))
        change = "UPDATE audit_auditlog SET action = '{}' WHERE id = {}"
        execute_as_owner(change.format("USER_DELETED", number))
        audit_tasks.verify_audit_log(0)
        assert state_of(Rule.AUDIT_CHAIN) == "broken"
        assert "/admin/audit/auditseal/1/change/" in step("audit_chain_broken", 1).open("seal")
        verify = step("audit_chain_broken", 2).url("Audit verifications")
        shown = self.verify(admin, verify)
        assert f"Row {number} was changed" in shown
        assert f"/admin/audit/auditlog/{number}/change/" in shown
        with pytest.raises(CommandError, match="does not match its seals"):
            call_command("audit_verify", "--checkpoint", str(file))
        assert f"/admin/audit/auditlog/{number}/change/" in step("audit_chain_broken", 3).open("audit log")
        UserFactory.create(admin=True, name="Adam Admin")
        assert "Adam Admin" in step("audit_chain_broken", 4).open("operators")
        alerts.check()
        alert = Alert.objects.get(rule=Rule.AUDIT_CHAIN)
        assert f"/admin/webhooks/alert/{alert.pk}/change/" in step("audit_chain_broken", 5).open("alert's page")
        fields = {"action": "acknowledge", "note": "Seal 1, 30 November"}
        admin.post(f"/admin/webhooks/alert/{alert.pk}/action/", fields)
        alert.refresh_from_db()
        assert alert.acknowledged_at
        execute_as_owner(change.format("USER_UPDATED", number))
        assert "was changed" not in self.verify(admin, verify)
        assert state_of(Rule.AUDIT_CHAIN) == "well"

    def test_verification_has_stopped(self, step: ReadStep, admin: Client) -> None:
        assert state_of(Rule.AUDIT_CHAIN, after=timedelta(days=4)) == "broken"
        report("web1", AUDIT_SEAL_KEY="aaaaaa")
        report("worker1", kind="worker", AUDIT_SEAL_KEY="bbbbbb")
        runner.run(["hosts"])
        assert "other values of AUDIT_SEAL_KEY" in step("audit_chain_broken", 6).open("Diagnostics")
        job = create_job("failed", task=audit_tasks.verify_audit_log.name)
        listed = step("audit_chain_broken", 7).open("list of jobs")
        assert f"{JOBS}{job}/change/" in listed
        assert "Verify the audit log" in listed
        with time_machine.travel(timezone.now() + timedelta(days=4), tick=False):
            audit_tasks.verify_audit_log(0)
        assert state_of(Rule.AUDIT_CHAIN, after=timedelta(days=4)) == "well"

    def test_sealing_has_stopped(self, step: ReadStep, database_url: str) -> None:
        create_row()
        with psycopg.connect(database_url) as forgotten:
            forgotten.execute("SELECT pg_current_xact_id()")
            create_row()
            seals.seal()
            waiting = seals.state().unsealed
            assert waiting > 0
            assert "none running" in step("audit_chain_broken", 8).open("dashboard")
        seals.seal()
        assert seals.state().unsealed < waiting
