"""The admin's login page: a password form for local operators, and a link to Clerk for all other users."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from accounts import tasks
from accounts.models import EndedSession, User
from accounts.security import lockouts
from tests.helpers.clients import signed_in
from tests.helpers.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> User:
    user: User = UserFactory.create(superuser=True, login="operator")
    return user


def log_in(browser: Client, password: str, **options: Any) -> int:
    facts = {"username": "operator", "password": password, "next": "/admin/"}
    return int(browser.post("/admin/login/", facts, **options).status_code)


def test_password_session_is_valid_in_the_admin_only(operator: User) -> None:
    browser = Client()
    assert log_in(browser, PASSWORD) == 302
    assert browser.get("/admin/").status_code == 200
    assert not browser.get("/builders/").wsgi_request.user.is_authenticated


def test_superuser_created_on_the_command_line_can_log_in() -> None:
    User.objects.create_superuser("operator", PASSWORD)
    assert log_in(Client(), PASSWORD) == 302


def test_session_token_takes_precedence_over_a_password(operator: User) -> None:
    olive = UserFactory.create()
    browser = signed_in(olive)
    log_in(browser, PASSWORD)
    assert browser.get("/builders/").wsgi_request.user == olive


def test_ip_address_is_locked_after_failed_attempts(operator: User) -> None:
    assert [log_in(Client(), f"guess {number}") for number in range(5)] == [200] * 4 + [429]
    assert log_in(Client(), PASSWORD) == 429
    assert log_in(Client(), PASSWORD, REMOTE_ADDR="203.0.113.5") == 302
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert log_in(Client(), PASSWORD) == 302


def test_attempts_with_different_usernames_count(operator: User) -> None:
    for number in range(5):
        Client().post("/admin/login/", {"username": f"name{number}", "password": "x"})
    assert log_in(Client(), PASSWORD) == 429


def test_lockout_uses_the_ip_address_behind_trusted_proxies(operator: User, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    for number in range(5):
        log_in(Client(), "x", headers={"x-forwarded-for": f"6.6.6.{number}, 203.0.113.9"})
    assert log_in(Client(), PASSWORD, headers={"x-forwarded-for": "203.0.113.9"}) == 429
    assert log_in(Client(), PASSWORD, headers={"x-forwarded-for": "203.0.113.10"}) == 302


def test_unknown_ip_addresses_do_not_share_a_lockout(operator: User, settings: Settings) -> None:
    """Otherwise one attacker behind a misconfigured proxy would lock out every operator."""
    settings.TRUSTED_PROXY_COUNT = 1  # and the proxy sends no X-Forwarded-For
    for _ in range(6):
        Client().post("/admin/login/", {"username": "mallory", "password": "x"})
    assert log_in(Client(), PASSWORD) == 302


def test_guesses_for_one_username_are_limited_without_ip_addresses(operator: User, settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    attempts = [log_in(Client(), f"guess {number}", headers={"user-agent": f"b{number}"}) for number in range(5)]
    assert attempts == [200] * 4 + [429]
    assert log_in(Client(), PASSWORD) == 429


def test_addresses_of_one_ipv6_network_share_a_lockout(operator: User) -> None:
    for number in range(5):
        log_in(Client(), "x", REMOTE_ADDR=f"2001:db8:1:2::{number}")
    assert log_in(Client(), PASSWORD, REMOTE_ADDR="2001:db8:1:2:aaaa::1") == 429
    assert log_in(Client(), PASSWORD, REMOTE_ADDR="2001:db8:1:3::1") == 302


def test_failures_while_locked_are_not_stored(operator: User) -> None:
    for number in range(30):
        log_in(Client(), "x", headers={"user-agent": f"browser {number}"})
    assert AccessAttempt.objects.count() == 5


def test_usernames_are_stored_in_a_fixed_number_of_groups(settings: Settings) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    request = RequestFactory().post("/admin/login/")
    groups = {lockouts.counted_username(request, {"username": f"name {number}"}) for number in range(20_000)}
    assert len(groups) <= 4096


@pytest.mark.parametrize("proxies", (0, 1), ids=["known address", "unknown address"])
def test_failures_of_one_client_share_a_row(operator: User, settings: Settings, proxies: int) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    for number in range(4):
        log_in(Client(), f"guess {number}")
    [attempt] = AccessAttempt.objects.all()
    # Columns of a unique constraint that are NULL would allow two rows, and axes fails on two.
    assert None not in (attempt.username, attempt.ip_address)
    assert attempt.failures_since_start == 4


def test_expired_failures_are_deleted(operator: User) -> None:
    log_in(Client(), "x")
    tasks.delete_expired_login_failures(0)
    assert AccessAttempt.objects.count() == 1
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        tasks.delete_expired_login_failures(0)
    assert not AccessAttempt.objects.exists()


def test_lockout_page_explains_the_reason(operator: User) -> None:
    for _ in range(5):
        log_in(Client(), "x")
    response = Client().post("/admin/login/", {"username": "operator", "password": PASSWORD})
    assert "Password sign-in is blocked for 15 minutes" in response.content.decode()


def test_login_page_links_to_clerk(settings: Settings) -> None:
    text = Client().get("/admin/login/?next=/admin/accounts/user/").content.decode()
    assert 'href="/sign-in/?next=%2Fadmin%2Faccounts%2Fuser%2F"' in text
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert "/sign-in/" not in Client().get("/admin/login/").content.decode()


def test_admin_logout_ends_the_clerk_session() -> None:
    adam = UserFactory.create(admin=True)
    browser = signed_in(adam)
    assert browser.post("/admin/logout/").status_code == 200
    assert EndedSession.objects.get().clerk_id == adam.clerk_id
    assert browser.get("/admin/").status_code == 302
