"""Redirects to HTTPS, and redirect loops behind a proxy whose HTTPS requests are not recognized."""

import pytest
from django.test import Client
from pytest_django import Settings

from config.middleware import https_redirect

HOST = "profiles.example.com"


@pytest.fixture(autouse=True)
def production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_PROXY_SSL_HEADER = True, None
    settings.ALLOWED_HOSTS = [HOST]
    monkeypatch.setattr(https_redirect, "_interval", https_redirect._Interval(60))


def get(client: Client, **headers: str) -> tuple[int, str]:
    response = client.get("/builders/?q=a", headers={"host": HOST, **headers})
    assert "no-store" in response["Cache-Control"]
    return response.status_code, response.content.decode()


def test_redirect_marks_the_browser_with_a_secure_cookie(client: Client) -> None:
    response = client.get("/builders/?q=a", headers={"host": HOST})
    assert (response.status_code, response["Location"]) == (301, f"https://{HOST}/builders/?q=a")
    cookie = response.cookies[https_redirect.COOKIE]
    assert (cookie["secure"], cookie["httponly"], cookie["max-age"]) == (True, True, 60)


def test_repeated_request_after_a_redirect_gets_an_explanation(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert get(client)[0] == 301
    status, text = get(client, **{"x-forwarded-proto": "https"})
    assert status == 500
    assert "TRUSTED_PROXY_SSL_HEADER" in text
    [record] = [record for record in caplog.records if record.name == "config.middleware.https_redirect"]
    assert "It is not set, and the request has X-Forwarded-Proto: 'https'." in record.getMessage()


def test_log_names_the_header_that_did_not_match(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_SSL", "on")
    get(client)
    get(client, **{"x-forwarded-proto": "https", "x-scheme": "x" * 1000})
    assert (
        f"It is X-Forwarded-Ssl: on, and the request has X-Forwarded-Proto: 'https', X-Scheme: '{'x' * 60}'."
        in caplog.text
    )


def test_loop_is_logged_once_a_minute(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(10):
        get(client)
    assert caplog.text.count("arrived again over HTTP") == 1


def test_health_checks_and_https_requests_are_not_affected(client: Client, settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    get(client)
    assert client.get("/healthz", headers={"host": HOST}).status_code == 200
    assert client.get("/sign-in/", headers={"host": HOST, "x-forwarded-proto": "https"}).status_code == 200


def test_cookieless_clients_are_redirected(settings: Settings) -> None:
    for _ in range(2):
        assert get(Client())[0] == 301
