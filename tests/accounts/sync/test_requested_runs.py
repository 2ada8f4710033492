"""Comparison of one user or all users with Clerk, started in the admin."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from accounts.models import Reconciliation, User
from accounts.sync import reconciliation, requested_runs
from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory
from tests.local.clerk.standin import StandIn

pytestmark = pytest.mark.django_db

URL = "/admin/accounts/reconciliation/compare/"
State = Reconciliation.State


@pytest.fixture
def admin() -> Client:
    return signed_in(UserFactory.create(admin=True))


def start(admin: Client, **fields: Any) -> Reconciliation:
    response = admin.post(URL, {"scope": "person", "action": "dry_run", "reason": "Vera wrote to us", **fields})
    assert response.status_code == 302, response.content.decode()
    return Reconciliation.objects.latest("pk")


def run(report: Reconciliation) -> Reconciliation:
    requested_runs.compare(report.pk)
    report.refresh_from_db()
    return report


@pytest.mark.parametrize("by", ("id", "email"))
def test_user_without_events_is_compared_and_then_repaired(admin: Client, clerk: StandIn, by: str) -> None:
    """The repair reuses the reason of the dry run, which changes nothing."""
    vera = clerk.create(first_name="Vera", email="vera@example.com")
    wanted = vera["id"] if by == "id" else "Vera@Example.com"
    dry_run = run(start(admin, person=wanted))
    assert (dry_run.state, dry_run.missing, dry_run.repaired) == (State.FINISHED, 1, 0)
    assert not User.objects.filter(clerk_id=vera["id"]).exists()
    page = admin.get(f"/admin/accounts/reconciliation/{dry_run.pk}/change/").content.decode()
    assert "Repair these differences" in page
    assert admin.post(f"/admin/accounts/reconciliation/{dry_run.pk}/repair/").status_code == 302
    repair = run(Reconciliation.objects.latest("pk"))
    assert (repair.dry_run, repair.reason, repair.dry_run_report) == (False, "Vera wrote to us", dry_run)
    assert User.objects.get(clerk_id=vera["id"]).name == "Vera"
    rows = AuditLog.objects.filter(action="RECONCILIATION_STARTED").order_by("pk")
    assert [(row.details or {})["note"] for row in rows] == ["Vera wrote to us"] * 2
    assert [(row.details or {})["dry_run"] for row in rows] == [True, False]


def test_email_address_is_not_stored(admin: Client, clerk: StandIn) -> None:
    vera = clerk.create(email="vera@example.com")
    assert run(start(admin, person="vera@example.com")).wanted == vera["id"]
    unknown = run(start(admin, person="nobody@example.com"))
    assert (unknown.state, unknown.wanted) == (State.FAILED, "")
    assert "has a user with this email address" in unknown.error
    assert not AuditLog.objects.filter(details__icontains="example.com", action="RECONCILIATION_STARTED").exists()
    assert not ProcrastinateJob.objects.filter(args__icontains="example.com").exists()


def test_user_deleted_in_clerk_is_found_by_email(admin: Client, clerk: StandIn) -> None:
    vera = UserFactory.create(email="vera@example.com", clerk_id="user_gone")
    report = run(start(admin, person="vera@example.com", action="run"))
    vera.refresh_from_db()
    assert (report.deleted, vera.deleted_at is not None) == (1, True)


def test_all_users_are_compared_in_dry_run_and_then_repaired(admin: Client, clerk: StandIn) -> None:
    created = [clerk.create(first_name=f"Person {number}")["id"] for number in range(3)]
    dry_run = run(start(admin, scope="all", person=""))
    assert (dry_run.kind, dry_run.state, dry_run.missing) == ("full", State.FINISHED, 3)
    assert not User.objects.filter(clerk_id__in=created).exists()
    assert not reconciliation.unfinished_run(dry_run=False, paused=True)
    admin.post(f"/admin/accounts/reconciliation/{dry_run.pk}/repair/")
    run(Reconciliation.objects.latest("pk"))
    assert User.objects.filter(clerk_id__in=created).count() == 3


def test_interrupted_run_resumes_from_its_cursor(
    admin: Client, clerk: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        clerk.create(first_name=f"Person {number}")
    monkeypatch.setattr("accounts.clerk.api.PAGE_SIZE", 2)
    report = start(admin, scope="all")
    with monkeypatch.context() as patch:
        pages: list[int] = []
        original = reconciliation._process_page

        def die_on_the_second_page(*args: Any, **options: Any) -> list[str]:
            pages.append(1)
            if len(pages) == 2:
                raise SystemExit
            return original(*args, **options)

        patch.setattr(reconciliation, "_process_page", die_on_the_second_page)
        with pytest.raises(SystemExit):
            requested_runs.compare(report.pk)
    assert run(report).compared == 5


def test_run_waits_for_another_run(admin: Client, clerk: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    report = start(admin, scope="all")

    def fail(**options: Any) -> None:
        raise reconciliation.AlreadyRunningError("Another reconciliation is already running.")

    monkeypatch.setattr(reconciliation, "reconcile", fail)
    requested_runs.compare(report.pk)
    [_first, waiting] = ProcrastinateJob.objects.filter(task_name=requested_runs.compare.name).order_by("pk")
    assert (waiting.args["attempt"], waiting.scheduled_at is not None) == (2, True)
    requested_runs.compare(report.pk, attempt=requested_runs.MAX_ATTEMPTS)
    report.refresh_from_db()
    assert (report.state, report.error) == (State.FAILED, "Another reconciliation is already running.")


def test_clerk_error_is_shown_in_the_report(admin: Client, clerk: StandIn) -> None:
    clerk.call("PATCH", "/local/settings", {"api_refuse_percent": 100})
    report = run(start(admin, person="user_any"))
    assert report.state == State.FAILED
    assert report.error in admin.get(f"/admin/accounts/reconciliation/{report.pk}/change/").content.decode().replace(
        "&#x27;", "'"
    )


@pytest.mark.parametrize("person", ("", "Vera", "user_1/../../x", "a@b", "user_\x00"))
def test_invalid_user_is_rejected(admin: Client, settings: Settings, person: str) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_any"
    response = admin.post(URL, {"scope": "person", "person": person, "reason": "x", "action": "run"})
    assert response.status_code == 200
    assert response.context["form"].errors["person"]
    assert not Reconciliation.objects.exists()


def test_missing_secret_key_is_explained(admin: Client, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = ""
    response = admin.post(URL, {"scope": "all", "reason": "x", "action": "dry_run"})
    assert "CLERK_SECRET_KEY is not set" in response.content.decode()


def test_running_report_polls_and_finished_report_reloads(admin: Client) -> None:
    report = Reconciliation.objects.create(kind="full", compared=500, clerk_total=2000, reason="x")
    page = admin.get(f"/admin/accounts/reconciliation/{report.pk}/change/").content.decode()
    assert "500 of 2000 people compared." in page
    assert 'hx-trigger="every 2s' in page
    Reconciliation.objects.update(state=State.FAILED)
    assert admin.get(f"/admin/accounts/reconciliation/{report.pk}/progress/").headers["HX-Refresh"] == "true"


def test_only_finished_dry_runs_can_be_repeated(admin: Client) -> None:
    report = Reconciliation.objects.create(kind="full", dry_run=True, reason="x", state=State.RUNNING)
    admin.post(f"/admin/accounts/reconciliation/{report.pk}/repair/")
    assert Reconciliation.objects.count() == 1


def test_second_request_returns_the_queued_run(admin: Client) -> None:
    """A failed repair can be restarted."""
    now = timezone.now()
    dry_run = Reconciliation.objects.create(
        kind="full", dry_run=True, reason="x", state=State.FINISHED, finished_at=now, missing=1
    )
    for _ in range(2):
        admin.post(f"/admin/accounts/reconciliation/{dry_run.pk}/repair/")
    [repair] = Reconciliation.objects.exclude(pk=dry_run.pk)
    Reconciliation.objects.filter(pk=repair.pk).update(state=State.FAILED)
    admin.post(f"/admin/accounts/reconciliation/{dry_run.pk}/repair/")
    assert Reconciliation.objects.exclude(pk=dry_run.pk).count() == 2
