"""Changes at Clerk are visible on the first page after a visit to the security page, without a webhook."""

import logging
from typing import Any

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from accounts.clerk.samples import SampleUser
from accounts.models import Reconciliation, User
from accounts.sessions import profile_visits
from tests.helpers.clerk import FakeClerk
from tests.helpers.clients import HTMX, PAGE, signed_in
from tests.helpers.webhooks import WebhookClient, person

pytestmark = pytest.mark.django_db

SECURITY, ACCOUNT = "/account/security/", "/account/"


@pytest.fixture
def olive(webhook: WebhookClient) -> SampleUser:
    olive = person(first_name="Olive", last_name="Owner", email="olive@example.com", roles=["CLIENT"])
    webhook.created(olive)
    return olive


@pytest.fixture
def browser(fake: FakeClerk, olive: SampleUser) -> Client:
    """Return Olive's browser after she opened the security page and changed her name at Clerk."""
    browser = signed_in(olive, headers=PAGE)
    assert browser.get(SECURITY).status_code == 200
    fake.respond_with(httpx.Response(200, json=olive.with_changes(first_name="Olivia").data()))
    return browser


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_changes_are_visible_on_the_first_page_and_fetched_once(browser: Client, fake: FakeClerk) -> None:
    assert fake.requests == []
    for _ in range(2):
        assert "Olivia Owner" in text_of(browser.get(ACCOUNT))
    assert [(request.method, request.url.path) for request in fake.requests] == [
        ("GET", f"/v1/users/{User.objects.get().clerk_id}")
    ]
    assert not Reconciliation.objects.exists()


@pytest.mark.parametrize("path", ("/builders/", "/account/messages/", "/"))
def test_every_page_fetches_the_changes(browser: Client, fake: FakeClerk, path: str) -> None:
    browser.get(path)
    assert User.objects.get().name == "Olivia Owner"


def test_webhook_after_the_fetch_changes_nothing(browser: Client, olive: SampleUser, webhook: WebhookClient) -> None:
    browser.get(ACCOUNT)
    before = User.objects.values().get()
    webhook.updated(olive.with_changes(first_name="Olivia"))
    assert User.objects.values().get()["name"] == before["name"]


@pytest.mark.parametrize(
    ("path", "headers"),
    (
        pytest.param(SECURITY, PAGE, id="security page again"),
        pytest.param(ACCOUNT, HTMX, id="htmx"),
        pytest.param("/api/profiles/me", {"accept": "application/json"}, id="API"),
    ),
)
def test_other_requests_do_not_fetch(browser: Client, fake: FakeClerk, path: str, headers: dict[str, str]) -> None:
    browser = with_cookies_of(browser, headers)
    browser.get(path)
    assert fake.requests == []


def with_cookies_of(browser: Client, headers: dict[str, str]) -> Client:
    other = Client(headers=headers)
    other.cookies = browser.cookies
    return other


@pytest.mark.parametrize(
    "response",
    (
        httpx.ConnectTimeout("too slow"),
        httpx.Response(500),
        httpx.Response(429, headers={"Retry-After": "20"}),
        httpx.Response(401, json={"errors": [{"code": "clerk_key_invalid"}]}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"id": "user_2a"}),
    ),
)
def test_failure_is_logged_and_the_page_is_shown(
    browser: Client, fake: FakeClerk, response: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake.requests.clear()
    fake.respond_with(response)
    answer = browser.get(ACCOUNT)
    assert (answer.status_code, "Olive Owner" in text_of(answer)) == (200, True)
    assert (len(fake.requests), any(fake.pauses)) == (1, False)
    assert "was not fetched after a visit to the security page" in caplog.text
    browser.get(ACCOUNT)
    assert len(fake.requests) == 1


def test_error_while_applying_is_logged(
    browser: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(profile_visits, "apply_user", fail)
    assert browser.get(ACCOUNT).status_code == 200
    assert [record.levelno for record in caplog.records if "was not updated" in record.message] == [logging.ERROR]


def test_user_who_deleted_the_account_is_signed_out(browser: Client, fake: FakeClerk) -> None:
    fake.respond_with(httpx.Response(404))
    response = browser.get(ACCOUNT)
    assert response.status_code == 302
    assert response["Location"].startswith("/sign-in/")


def test_cookie_of_another_user_or_with_a_bad_signature_is_ignored(
    browser: Client, fake: FakeClerk, webhook: WebhookClient
) -> None:
    vera = person(first_name="Vera")
    webhook.created(vera)
    other = signed_in(vera, headers=PAGE)
    for value in (browser.cookies[profile_visits.COOKIE].value, "forged:value", "é", ""):
        other.cookies[profile_visits.COOKIE] = value
        assert other.get(ACCOUNT).status_code == 200
    assert fake.requests == []


def test_requests_of_one_user_are_limited(browser: Client, fake: FakeClerk) -> None:
    for _ in range(profile_visits.LIMIT.requests + 3):
        browser.get(SECURITY)
        assert browser.get(ACCOUNT).status_code == 200
    assert len(fake.requests) == profile_visits.LIMIT.requests


def test_without_a_secret_key_nothing_is_fetched(browser: Client, fake: FakeClerk, settings: Settings) -> None:
    settings.CLERK_SECRET_KEY = ""
    assert browser.get(ACCOUNT).status_code == 200
    browser.get(SECURITY)
    assert browser.cookies[profile_visits.COOKIE].value == ""
    assert fake.requests == []


def test_cookie_is_not_readable_by_scripts(browser: Client) -> None:
    cookie = browser.cookies[profile_visits.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", profile_visits.LIFETIME_S)
