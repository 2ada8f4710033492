"""The audit log records successful and failed password sign-ins to the admin, and password changes."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import check_password
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.security import sign_ins
from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

Action, Source = AuditLog.Action, AuditLog.Source
ADDRESS, BROWSER = "203.0.113.9", "Firefox"
NEW_PASSWORD = "a new long passphrase"


@pytest.fixture
def operator() -> User:
    user: User = UserFactory.create(superuser=True, login="operator")
    return user


def log_in(
    password: str, *, browser: Client | None = None, address: str = ADDRESS, username: str = "operator"
) -> Client:
    browser = browser or Client()
    fields = {"username": username, "password": password, "next": "/admin/"}
    browser.post("/admin/login/", fields, headers={"user-agent": BROWSER}, REMOTE_ADDR=address)
    return browser


def written_rows() -> list[tuple[str, Any, Any, str | None, str | None]]:
    rows = AuditLog.objects.order_by("id")
    return list(rows.values_list("action", "actor_id", "subject_id", "ip_address", "user_agent"))


def test_login_and_logout_are_recorded(operator: User) -> None:
    browser = log_in(PASSWORD)
    browser.post("/admin/logout/", headers={"user-agent": BROWSER}, REMOTE_ADDR=ADDRESS)
    assert written_rows() == [
        (Action.ADMIN_SIGNED_IN, operator.pk, operator.pk, ADDRESS, BROWSER),
        (Action.ADMIN_SIGNED_OUT, operator.pk, operator.pk, ADDRESS, BROWSER),
    ]
    assert set(AuditLog.objects.values_list("source", flat=True)) == {Source.REQUEST}


def test_logout_of_a_clerk_admin_is_recorded() -> None:
    adam = UserFactory.create(admin=True)
    signed_in(adam).post("/admin/logout/")
    assert [(row[0], row[1]) for row in written_rows()] == [(Action.ADMIN_SIGNED_OUT, adam.pk)]


def test_logout_without_a_user_is_not_recorded() -> None:
    Client().post("/admin/logout/")
    assert written_rows() == []


def test_failed_login_is_recorded_without_an_actor(operator: User) -> None:
    log_in("wrong")
    assert written_rows() == [(Action.ADMIN_SIGN_IN_FAILED, None, operator.pk, ADDRESS, BROWSER)]


def test_unknown_username_is_not_stored() -> None:
    """People sometimes type their password into the wrong field."""
    log_in("x", username="hunter2hunter2")
    [row] = AuditLog.objects.values()
    assert (row["action"], row["target"]) == (Action.ADMIN_SIGN_IN_FAILED, "accounts.user")
    assert row["subject_id"] is None
    assert "hunter2" not in str(row)


def test_lockout_is_recorded_once_and_failures_while_locked_are_not(operator: User) -> None:
    for number in range(12):
        log_in(f"guess {number}")
    assert [row[0] for row in written_rows()] == [*[Action.ADMIN_SIGN_IN_FAILED] * 5, Action.ADMIN_LOCKED_OUT]
    assert written_rows()[-1] == (Action.ADMIN_LOCKED_OUT, None, operator.pk, ADDRESS, BROWSER)


@pytest.mark.parametrize("username", ("operator", "nobody"))
def test_failures_from_many_addresses_are_bounded(operator: User, username: str) -> None:
    for number in range(sign_ins.MAX_FAILURES + 5):
        log_in("x", username=username, address=f"203.0.113.{number}")
    rows = AuditLog.objects.filter(action=Action.ADMIN_SIGN_IN_FAILED).order_by("id")
    assert rows.count() == sign_ins.MAX_FAILURES
    assert [row.details for row in rows if row.details] == [{"later_failures": "not recorded for an hour"}]
    with time_machine.travel(timezone.now() + timedelta(hours=1, minutes=1)):
        log_in("x", username=username, address="198.51.100.7")
    assert rows.all().count() == sign_ins.MAX_FAILURES + 1


def test_flood_of_unknown_usernames_does_not_hide_failures_of_an_operator(operator: User) -> None:
    for number in range(sign_ins.MAX_FAILURES + 1):
        log_in("x", username=f"name{number}", address=f"203.0.113.{number}")
    log_in("x", address="198.51.100.7")
    assert written_rows()[-1][2] == operator.pk


def test_lockouts_are_bounded(operator: User, settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = 1
    for number in range(sign_ins.MAX_FAILURES + 5):
        log_in("x", address=f"203.0.113.{number}")
    assert AuditLog.objects.filter(action=Action.ADMIN_LOCKED_OUT).count() == sign_ins.MAX_FAILURES


def test_password_change_in_the_admin_is_recorded(operator: User) -> None:
    browser = log_in(PASSWORD)
    fields = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    browser.post("/admin/password_change/", fields, headers={"user-agent": BROWSER}, REMOTE_ADDR=ADDRESS)
    operator.refresh_from_db()
    assert check_password(NEW_PASSWORD, operator.password)
    assert written_rows()[1:] == [(Action.PASSWORD_CHANGED, operator.pk, operator.pk, ADDRESS, BROWSER)]


def test_rejected_password_change_is_not_recorded(operator: User) -> None:
    browser = log_in(PASSWORD)
    fields = {"old_password": "wrong", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    browser.post("/admin/password_change/", fields)
    assert [row[0] for row in written_rows()] == [Action.ADMIN_SIGNED_IN]


def test_password_change_on_the_command_line_is_recorded(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: NEW_PASSWORD)
    call_command("changepassword", "operator")
    assert written_rows() == [(Action.PASSWORD_CHANGED, None, operator.pk, None, None)]
    assert AuditLog.objects.get().source == Source.COMMAND


def test_new_operator_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW_PASSWORD)
    call_command("createsuperuser", "--noinput", "--login=night-shift")
    user = User.objects.get(login="night-shift")
    assert written_rows() == [(Action.OPERATOR_CREATED, None, user.pk, None, None)]


def test_stronger_hash_of_the_same_password_is_not_a_change(operator: User, settings: Settings) -> None:
    before = operator.password
    hashers = "django.contrib.auth.hashers"
    settings.PASSWORD_HASHERS = [f"{hashers}.PBKDF2PasswordHasher", f"{hashers}.MD5PasswordHasher"]
    log_in(PASSWORD)
    operator.refresh_from_db()
    assert operator.password != before
    assert [row[0] for row in written_rows()] == [Action.ADMIN_SIGNED_IN]
