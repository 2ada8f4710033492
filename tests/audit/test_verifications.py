"""Audit log verification from the admin, with links to the affected rows."""

import pytest
from django.db import connection
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from audit import tasks
from audit.models import AuditLog, AuditVerification
from audit.sealing import seals
from tests.audit.rows import create_row, execute_as_owner
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/audit/auditverification/"


@pytest.fixture(autouse=True)
def seal_key(settings: Settings) -> None:
    settings.AUDIT_SEAL_KEYS, settings.AUDIT_CHECKPOINTS = ["the key of the tests, long enough"], []


@pytest.fixture
def admin() -> Client:
    return signed_in(UserFactory.create(admin=True))


def request(admin: Client, reason: str = "The alert opened") -> str:
    return admin.post(f"{LIST}verify/", {"reason": reason}, follow=True).content.decode()


def queued() -> int:
    return ProcrastinateJob.objects.filter(task_name=tasks.verify_now.name).count()


def test_changed_and_deleted_rows_are_linked(admin: Client) -> None:
    changed, deleted = create_row().pk, create_row().pk
    seals.seal()
    execute_as_owner(
        f"UPDATE audit_auditlog SET target = 'accounts.user:1' WHERE id = {changed}",
        f"DELETE FROM audit_auditlog WHERE id = {deleted}",
    )
    assert "A worker is verifying the audit log." in request(admin)
    tasks.verify_now()
    result = AuditVerification.objects.get()
    page = admin.get(f"{LIST}{result.pk}/change/").content.decode()
    assert f"Row {changed} was changed" in page
    assert f'href="/admin/audit/auditlog/{changed}/change/"' in page
    assert f"Row {deleted} was deleted" in page
    assert f"/admin/audit/auditlog/{deleted}/" not in page
    assert 'href="/admin/audit/auditseal/1/change/"' in page
    row = AuditLog.objects.get(action="VERIFICATION_REQUESTED")
    assert (row.details or {})["note"] == "The alert opened"


def test_list_polls_until_the_verification_ends(admin: Client) -> None:
    request(admin)
    assert admin.get(f"{LIST}running/").status_code == 204
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded'")
    assert admin.get(f"{LIST}running/").headers["HX-Refresh"] == "true"
    assert "Verify now" in admin.get(LIST).content.decode()


def test_second_request_does_not_queue_a_second_job(admin: Client) -> None:
    request(admin)
    request(admin)
    assert queued() == 1
    assert AuditLog.objects.filter(action="VERIFICATION_REQUESTED").count() == 2


def test_request_requires_a_reason_and_a_key(admin: Client, settings: Settings) -> None:
    assert "Enter a reason" in request(admin, "")
    settings.AUDIT_SEAL_KEYS = []
    assert "AUDIT_SEAL_KEY is not set" in request(admin)
    assert queued() == 0


def test_result_without_stored_locations_is_shown(admin: Client) -> None:
    old = AuditVerification.objects.create(
        started_at=create_row().timestamp,
        finished_at=create_row().timestamp,
        seal_count=1,
        row_count=1,
        erased_count=0,
        problems=["Row 17 was changed (seal 1)."],
    )
    assert "Row 17 was changed" in admin.get(f"{LIST}{old.pk}/change/").content.decode()
