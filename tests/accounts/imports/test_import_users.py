"""`manage.py import_users` creates accounts that are linked at sign-up, resumes, and reports every refused line."""

import csv
import io
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from accounts import personal_data
from accounts.imports import invitations, services
from accounts.models import ImportedAccount, User, UserImport
from audit.models import AuditLog
from profiles.models import BuilderProfile
from tests.helpers.clerk import API_KEY, FakeClerk, forward
from tests.helpers.factories import UserFactory
from tests.helpers.servers.processes import process, wait_until
from tests.helpers.webhooks import WebhookClient, person
from tests.local.clerk.standin import StandIn

HEADER = "email,name,roles\n"


def write(folder: Path, content: str, name: str = "accounts.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return path


def generated(count: int, *, start: int = 0) -> str:
    return HEADER + "".join(f"user{number}@example.com,User {number},BUILDER\n" for number in range(start, count))


def run(path: Path, **options: Any) -> tuple[str, str]:
    """Return the command's output and error."""
    output = io.StringIO()
    try:
        call_command("import_users", str(path), stdout=output, stderr=output, **options)
    except CommandError as error:
        return output.getvalue(), str(error)
    return output.getvalue(), ""


def report(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.django_db
class TestImport:
    def test_account_is_linked_when_its_person_signs_up(self, tmp_path: Path, webhook: WebhookClient) -> None:
        output, error = run(write(tmp_path, f"{HEADER}Olive@Example.com,Olive,BUILDER\n"))
        assert (output, error) == ("1 account created, 0 lines refused.\n", "")
        account = User.objects.get()
        assert (account.email, account.clerk_id, account.is_active) == ("olive@example.com", None, True)
        assert not account.has_usable_password()
        assert not BuilderProfile.objects.exists()
        assert webhook.created(olive := person(email="olive@example.com", roles=["CLIENT"])) == "processed"
        account.refresh_from_db()
        assert (User.objects.count(), account.clerk_id) == (1, olive.clerk_id)
        assert set(account.roles) == {"BUILDER", "CLIENT"}
        assert BuilderProfile.objects.get().user == account

    def test_account_is_audited(self, tmp_path: Path) -> None:
        run(write(tmp_path, f"{HEADER}a@example.com,Ada,\n"))
        row = AuditLog.objects.get(action="USER_CREATED")
        assert (row.source, row.subject_id) == ("command", User.objects.get().pk)
        assert row.details is not None
        assert (row.details["name"], row.details["imported_line"]) == ([None, "Ada"], 2)

    def test_every_refused_line_is_reported_in_order(self, tmp_path: Path) -> None:
        deleted = UserFactory.create(email="gone@example.com", deleted=True)
        known = UserFactory.create(email="Known@example.com")
        lines = ("a@example.com,A,", "nobody,B,", "A@EXAMPLE.com,C,", "known@example.com,D,", "gone@example.com,E,")
        path = write(tmp_path, HEADER + "\n".join(lines))
        output, error = run(path)
        assert output == "1 account created, 4 lines refused.\n"
        assert error == f"4 lines refused. {path}.refused.csv contains the reason for each line."
        assert report(tmp_path / "accounts.csv.refused.csv") == [
            ["line", "reason"],
            ["3", "email is missing or is not an email address."],
            ["4", "Line 2 has the same email address."],
            ["5", f"The user with this email address exists already (ID {known.pk})."],
            ["6", f"The user with this email address was deleted (ID {deleted.pk})."],
        ]

    def test_finished_file_is_not_imported_again(self, tmp_path: Path) -> None:
        run(write(tmp_path, generated(3)))
        output, error = run(write(tmp_path, generated(3), "renamed.csv"))
        assert "Nothing is imported again." in output
        assert error == ""
        assert User.objects.count() == 3

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        (
            ("accounts.csv", "name\n", "contain email"),
            ("accounts.xls", "email\n", "must end with .csv or .jsonl"),
            ("accounts.csv", "", "contain email"),
        ),
    )
    def test_unreadable_file_changes_nothing(self, tmp_path: Path, name: str, content: str, message: str) -> None:
        assert message in run(write(tmp_path, content, name))[1]
        assert not UserImport.objects.exists()

    def test_missing_file_and_unwritable_report_are_explained(self, tmp_path: Path) -> None:
        assert "cannot be read: No such file" in run(tmp_path / "missing.csv")[1]
        path = write(tmp_path, generated(1))
        assert "Choose another file with --report." in run(path, report=tmp_path / "missing" / "report.csv")[1]
        assert not UserImport.objects.exists()

    def test_dry_run_finds_the_same_lines_and_changes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services, "BATCH_SIZE", 3)
        UserFactory.create(email="user4@example.com")
        path = write(tmp_path, generated(8) + "user1@example.com,Again,\nnobody,,\n")
        before = User.objects.count()
        output, _error = run(path, dry_run=True)
        assert output == "7 accounts could be created, 3 lines refused.\n"
        assert [line for line, _ in report(tmp_path / "accounts.csv.dry-run.csv")[1:]] == ["6", "10", "11"]
        assert (User.objects.count(), UserImport.objects.count(), AuditLog.objects.count()) == (before, 0, 0)
        assert run(path)[0] == "7 accounts created, 3 lines refused.\n"

    def test_imports_are_exported_and_erased(self, tmp_path: Path) -> None:
        run(write(tmp_path, generated(2)))
        user = User.objects.earliest("pk")
        assert personal_data.export(user).data["imports"][0]["line"] == 2
        personal_data.erase(user)
        assert ImportedAccount.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestInterruption:
    def test_import_continues_after_a_failed_batch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The process dies after the report was written, but before the batch was committed."""
        monkeypatch.setattr(services, "BATCH_SIZE", 4)
        path = write(tmp_path, generated(6) + "nobody,,\n" + generated(12, start=6).removeprefix(HEADER))
        add, calls = services.Report.add, list[int]()

        def add_and_die(self: services.Report, refusals: list[Any]) -> int:
            calls.append(1)
            size = add(self, refusals)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return size

        with monkeypatch.context() as patch:
            patch.setattr(services.Report, "add", add_and_die)
            with pytest.raises(KeyboardInterrupt):
                run(path)
        assert (User.objects.count(), UserImport.objects.get().last_line) == (4, 5)
        assert len(report(tmp_path / "accounts.csv.refused.csv")) == 2
        output, _error = run(path)
        assert output == "Continuing after line 5.\n12 accounts created, 1 line refused.\n"
        assert User.objects.count() == 12
        assert [line for line, _ in report(tmp_path / "accounts.csv.refused.csv")] == ["line", "8"]

    def test_killed_process_leaves_nothing_half_done(self, tmp_path: Path, database_url: str) -> None:
        path = write(tmp_path, generated(1200) + "nobody,,\n")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [services.LOCK])
            with process(["manage.py", "import_users", str(path)], database_url, tmp_path / "log") as running:
                waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                wait_until(lambda: _count(waiting) or running.poll() is not None, "the import did not start", 60)
                assert running.poll() is None, (tmp_path / "log").read_text()
                os.kill(running.pid, signal.SIGKILL)
                running.wait()
            cursor.execute("SELECT pg_advisory_unlock(%s)", [services.LOCK])
        assert (User.objects.count(), ImportedAccount.objects.count(), UserImport.objects.get().last_line) == (0, 0, 0)
        assert run(path)[0] == "1,200 accounts created, 1 line refused.\n"
        assert User.objects.count() == ImportedAccount.objects.count() == 1200

    def test_second_process_does_not_import_the_same_lines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process has imported a batch since this process looked up the import."""
        path = write(tmp_path, generated(3))
        found = services.find_run(path)
        UserImport.objects.create(digest=found.digest, last_line=2)
        monkeypatch.setattr(services, "find_run", lambda path: found)
        assert run(path)[1] == "Another process is importing the same file. Wait until it has finished."
        assert not User.objects.exists()

    def test_missing_report_of_the_earlier_part_is_explained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(services, "BATCH_SIZE", 2)
        path = write(tmp_path, generated(6))
        store, calls = services._store, list[int]()

        def store_once(*args: Any) -> None:
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            store(*args)

        monkeypatch.setattr(services, "_store", store_once)
        with pytest.raises(KeyboardInterrupt):
            run(path)
        (tmp_path / "accounts.csv.refused.csv").unlink()
        assert "Restore the report, or choose it with --report." in run(path)[1]
        assert User.objects.count() == 2


def _count(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
class TestInvitations:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write(tmp_path, generated(3))

    def test_invitations_are_sent_once(self, path: Path, fake: FakeClerk, settings: Settings) -> None:
        settings.SITE_URL = "https://profiles.example.com"
        fake.handler = lambda request: httpx.Response(200, json={"id": "inv_1"})
        output, _error = run(path, invite=True)
        assert "3 invitations sent, 0 rejected by Clerk." in output
        body = fake.requests[0].read().decode()
        assert '"email_address":"user0@example.com"' in body
        assert '"redirect_url":"https://profiles.example.com/sign-up/"' in body
        assert '"ignore_existing":false' in body
        output, _error = run(path, invite=True)
        assert "0 invitations sent" in output
        assert len(fake.requests) == 3

    def test_outage_stops_the_command_and_the_next_run_continues(
        self, path: Path, fake: FakeClerk, settings: Settings
    ) -> None:
        """The second invitation was sent, but the answer was lost. Clerk rejects the repeated invitation."""
        settings.SITE_URL = "https://profiles.example.com"
        fake.respond_with(
            httpx.Response(200, json={"id": "inv_1"}),
            *[httpx.Response(500)] * 3,
            then=lambda request: httpx.Response(500),
        )
        _output, error = run(path, invite=True)
        assert error.startswith("1 of 3 invitations were sent. Clerk answered POST /v1/invitations with 500")
        assert error.endswith("Run the command again to continue.")
        duplicate = {"errors": [{"code": "duplicate_record", "message": "duplicate invitation"}]}
        fake.respond_with(httpx.Response(400, json=duplicate), httpx.Response(200, json={"id": "inv_3"}))
        output, _error = run(path, invite=True)
        assert "2 invitations sent, 0 rejected by Clerk." in output
        assert not ImportedAccount.objects.filter(invited_at=None).exists()

    def test_rejected_invitation_is_reported_and_not_repeated(
        self, path: Path, fake: FakeClerk, settings: Settings
    ) -> None:
        settings.SITE_URL = "https://profiles.example.com"
        taken = {"errors": [{"code": "form_identifier_exists", "message": "That email address is taken."}]}
        fake.respond_with(httpx.Response(422, json=taken), httpx.Response(200, json={"id": "inv_2"}))
        output, _error = run(path, invite=True)
        assert "Line 2: Clerk answered POST /v1/invitations with 422 form_identifier_exists" in output
        assert "2 invitations sent, 1 rejected by Clerk." in output
        assert "0 invitations sent, 0 rejected" in run(path, invite=True)[0]

    def test_people_who_signed_up_are_not_invited(
        self, path: Path, fake: FakeClerk, settings: Settings, webhook: WebhookClient
    ) -> None:
        settings.SITE_URL = "https://profiles.example.com"
        run(path)
        webhook.created(person(email="user1@example.com"))
        fake.handler = lambda request: httpx.Response(200, json={"id": "inv_1"})
        assert "2 invitations sent" in run(path, invite=True)[0]

    def test_invitations_are_limited_per_hour(self, tmp_path: Path, fake: FakeClerk, settings: Settings) -> None:
        settings.SITE_URL = "https://profiles.example.com"
        fake.handler = lambda request: httpx.Response(200, json={"id": "inv_1"})
        run(write(tmp_path, generated(12)), invite=True)
        assert [round(pause) for pause in fake.pauses if pause > 1] == [40, 80]  # the fake does not wait

    def test_missing_settings_are_found_before_the_import(self, path: Path, settings: Settings) -> None:
        settings.CLERK_SECRET_KEY = ""
        assert "CLERK_SECRET_KEY is not set." in run(path, invite=True)[1]
        assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_stand_in_rejects_a_repeated_invitation(tmp_path: Path, fake: FakeClerk, settings: Settings) -> None:
    settings.SITE_URL = "https://profiles.example.com"
    path = write(tmp_path, generated(2))
    with StandIn(tmp_path, "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        fake.handler = forward(stand_in)
        assert "2 invitations sent" in run(path, invite=True)[0]
        account = ImportedAccount.objects.earliest("line")
        account.invited_at = None
        assert invitations.invite(account)
        assert len(fake.requests) == 3
        stand_in.stop()
