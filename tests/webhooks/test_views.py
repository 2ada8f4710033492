"""The endpoint's responses, independent of the content of events."""

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NoReturn

import psycopg
import pytest
from django.db import InterfaceError, InternalError, OperationalError, connection
from django.test import Client
from pytest_django import Settings

from accounts.clerk import samples
from accounts.models import User
from tests.helpers.locks import short_lock_timeout
from tests.helpers.webhooks import URL, WebhookClient, new_svix_id, person
from tests.webhooks.assertions import assert_nothing_stored, assert_rejected
from webhooks import views
from webhooks.inbox import signatures
from webhooks.models import WebhookEvent, WebhookEventQuerySet

pytestmark = pytest.mark.django_db

URLS = (URL, f"{URL}/")
BODY = samples.encode(samples.event("session.pending", {"id": "sess_1"}, occurred_at=datetime(2026, 11, 1, tzinfo=UTC)))
SVIX_ADDRESS = "44.228.126.217"
STRANGER = "203.0.113.9"


class Unreadable:
    """A request body that must not be read."""

    def read(self, *args: Any) -> NoReturn:
        raise AssertionError("The body was read.")

    readline = read


class Broken:
    """A request body whose connection breaks while reading."""

    def read(self, *args: Any) -> NoReturn:
        raise ConnectionResetError("Connection reset by peer")

    readline = read


def read_from(stream: Any) -> dict[str, Any]:
    """Return the WSGI variables that make the test client send `stream` as the body."""
    return {"wsgi.input": stream}


def deliver_to(webhook: WebhookClient, url: str, body: str = BODY, **extra: Any) -> Any:
    """Post a signed body to any URL."""
    headers = signatures.sign(body, webhook.secret, svix_id=new_svix_id())
    return webhook.client.post(url, body, content_type="application/json", headers=headers, **extra)


def test_signed_event_is_processed(webhook: WebhookClient) -> None:
    assert webhook.created(person()) == "processed"
    assert WebhookEvent.objects.get().state == WebhookEvent.State.PROCESSED


# --- Methods, trailing slashes and redirects ---


@pytest.mark.parametrize("url", URLS, ids=("without slash", "with slash"))
@pytest.mark.parametrize("secure", (False, True), ids=("HTTP", "HTTPS"))
def test_endpoint_is_never_redirected(webhook: WebhookClient, settings: Settings, url: str, *, secure: bool) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = deliver_to(webhook, url, secure=secure)
    assert response.status_code == 200
    assert response.json() == {"outcome": "ignored"}


def test_other_pages_are_redirected_to_https(client: Client, settings: Settings) -> None:
    """Show that the test above would detect a redirect."""
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/builders/").status_code == 301


@pytest.mark.parametrize("redirect", (False, True), ids=("", "with SECURE_SSL_REDIRECT"))
@pytest.mark.parametrize("url", URLS, ids=("without slash", "with slash"))
@pytest.mark.parametrize("method", ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"))
def test_other_methods_return_405(
    webhook: WebhookClient, settings: Settings, method: str, url: str, *, redirect: bool
) -> None:
    settings.SECURE_SSL_REDIRECT = redirect
    headers = signatures.sign(BODY, webhook.secret, svix_id=new_svix_id())
    response = webhook.client.generic(method, url, BODY, content_type="application/json", headers=headers)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert response.content == (b"" if method == "HEAD" else b'{"error": "method_not_allowed"}')
    assert_nothing_stored()


@pytest.mark.parametrize("url", (f"{URL}//", f"{URL}/other", f"{URL}s", f"/x{URL}"))
def test_similar_urls_are_not_the_endpoint(webhook: WebhookClient, url: str) -> None:
    assert deliver_to(webhook, url).status_code in (401, 403, 404)
    assert_nothing_stored()


# --- Cookies, CSRF and caching ---


@pytest.mark.parametrize("url", URLS, ids=("without slash", "with slash"))
def test_endpoint_is_csrf_exempt(webhook: WebhookClient, url: str) -> None:
    webhook.client.cookies["csrftoken_8000"] = "x" * 32
    response = deliver_to(
        webhook, url, HTTP_ORIGIN="https://elsewhere.example", HTTP_REFERER="https://elsewhere.example/"
    )
    assert response.status_code == 200


@pytest.mark.parametrize("headers", ({}, {"svix-id": ""}), ids=("accepted", "rejected"))
def test_response_sets_no_cookie_and_is_not_cached(webhook: WebhookClient, headers: dict[str, str]) -> None:
    response = webhook.post(BODY, headers=headers)
    assert not response.cookies
    assert "no-store" in response.headers["Cache-Control"]
    assert "private" in response.headers["Cache-Control"]
    assert "Cookie" not in response.headers.get("Vary", "")


def test_session_cookie_is_ignored(webhook: WebhookClient) -> None:
    webhook.client.cookies["sessionid_8000"] = "x" * 32
    response = webhook.post(BODY)
    assert response.status_code == 200
    assert not response.cookies


def test_endpoint_does_not_use_the_network(webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise AssertionError(f"The endpoint used the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert webhook.created(person(roles=["BUILDER", "CLIENT"])) == "processed"


# --- Size ---


@pytest.mark.parametrize("length", (str(512 * 1024 + 1), str(10**9), "9" * 30), ids=("one byte more", "1 GB", "absurd"))
def test_body_over_512_kb_is_rejected_unread(webhook: WebhookClient, length: str) -> None:
    response = webhook.post(BODY, CONTENT_LENGTH=length, **read_from(Unreadable()))
    assert_rejected(response, "too_large", status=413)


def test_body_of_512_kb_is_accepted(webhook: WebhookClient) -> None:
    body = BODY + " " * (512 * 1024 - len(BODY))
    assert webhook.post(body).json() == {"outcome": "ignored"}
    assert WebhookEvent.objects.get().payload == body


@pytest.mark.parametrize(
    "length",
    (
        pytest.param("9" * 5000, id="5,000 digits"),
        pytest.param("-1", id="negative"),
        pytest.param("many", id="word"),
        pytest.param("", id="blank"),
        pytest.param("1e3", id="scientific"),
        pytest.param("\u00b2", id="superscript"),
    ),
)
def test_invalid_content_length_is_rejected(webhook: WebhookClient, length: str) -> None:
    response = webhook.post(BODY, CONTENT_LENGTH=length)
    assert response.status_code in (400, 413)
    assert_nothing_stored()


def test_body_shorter_than_content_length_is_rejected(webhook: WebhookClient) -> None:
    response = webhook.post(BODY, **read_from(BytesIO(BODY.encode()[:-10])))
    assert_rejected(response, "bad_signature")


def test_broken_connection_is_rejected(webhook: WebhookClient) -> None:
    assert_rejected(webhook.post(BODY, **read_from(Broken())), "unreadable_body")


# --- Configuration and database ---


@pytest.mark.parametrize("secrets", ([], ["whsec_"], ["whsec_not*base64*"]), ids=("unset", "empty", "not base64"))
def test_invalid_secret_is_named_in_the_log_but_not_in_the_response(
    webhook: WebhookClient, settings: Settings, caplog: pytest.LogCaptureFixture, secrets: list[str]
) -> None:
    settings.CLERK_WEBHOOK_SECRETS = secrets
    assert_rejected(webhook.post(BODY), "not_configured", status=500)
    [record] = [record for record in caplog.records if record.name == "webhooks.views"]
    assert record.levelno == logging.ERROR
    assert "CLERK_WEBHOOK_SECRET" in record.getMessage()
    assert not any(secret in caplog.text for secret in secrets if secret != "whsec_")


@pytest.mark.parametrize("error", (OperationalError, InterfaceError, InternalError))
def test_lost_database_returns_503(
    webhook: WebhookClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    def fail(*args: Any) -> NoReturn:
        raise error("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(WebhookEventQuerySet, "count_repeats", fail)
        assert_rejected(webhook.post(BODY, svix_id="msg_again"), "unavailable", status=503)
    assert "server closed the connection" in caplog.text
    assert webhook.post(BODY, svix_id="msg_again").json() == {"outcome": "ignored"}


def test_unreachable_database_returns_503(webhook: WebhookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> NoReturn:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", fail)
        patch.setattr(connection, "savepoint", fail)
        response = webhook.post(BODY)
    assert_rejected(response, "unavailable", status=503)


@pytest.fixture
def other_connection(database_url: str, transactional_db: None) -> Iterator[psycopg.Connection]:
    """Return another connection that can hold locks. The connection under test waits 50 ms for them."""
    with short_lock_timeout(), psycopg.connect(database_url) as other:
        yield other


@pytest.mark.django_db(transaction=True)
def test_locked_user_returns_503(webhook: WebhookClient, other_connection: psycopg.Connection) -> None:
    zofia = person(first_name="Zofia")
    webhook.created(zofia)
    other_connection.execute("SELECT FROM accounts_user FOR UPDATE")
    update = samples.user_event("user.updated", zofia.with_changes(first_name="Zosia"))
    response = webhook.post(update, svix_id="msg_late")
    assert (response.status_code, response.json()) == (503, {"error": "unavailable"})
    assert not WebhookEvent.objects.filter(svix_id="msg_late").exists()
    other_connection.rollback()
    assert webhook.post(update, svix_id="msg_late").json() == {"outcome": "processed"}
    assert User.objects.get().name.startswith("Zosia")


@pytest.mark.django_db(transaction=True)
def test_locked_event_returns_503(webhook: WebhookClient, other_connection: psycopg.Connection) -> None:
    webhook.post(BODY, svix_id="msg_held")
    other_connection.execute("SELECT FROM webhooks_webhookevent FOR UPDATE")
    response = webhook.post(BODY, svix_id="msg_held")
    assert (response.status_code, response.json()) == (503, {"error": "unavailable"})
    other_connection.rollback()
    assert WebhookEvent.objects.get().deliveries == 1
    assert webhook.post(BODY, svix_id="msg_held").json() == {"outcome": "duplicate"}
    assert WebhookEvent.objects.get().deliveries == 2


# --- IP allowlist ---


@pytest.mark.parametrize("address", (STRANGER, "2001:db8::1", ""), ids=("IPv4", "IPv6", "unix socket"))
def test_empty_allowlist_allows_all_addresses(webhook: WebhookClient, address: str) -> None:
    assert webhook.post(BODY, REMOTE_ADDR=address).status_code == 200


LISTS = (
    pytest.param([SVIX_ADDRESS], SVIX_ADDRESS, STRANGER, id="address"),
    pytest.param(["198.51.100.1", SVIX_ADDRESS], SVIX_ADDRESS, STRANGER, id="several"),
    pytest.param(["198.51.100.0/24"], "198.51.100.255", "198.51.101.0", id="network"),
    pytest.param(["198.51.100.7/24"], "198.51.100.255", "198.51.101.0", id="network with host bits"),
    pytest.param(["2001:db8::7"], "2001:db8:0:0::7", "2001:db8::8", id="IPv6 address"),
    pytest.param(["2001:db8::/56"], "2001:db8:0:ff::1", "2001:db8:0:100::1", id="IPv6 network"),
    pytest.param([SVIX_ADDRESS], f"::ffff:{SVIX_ADDRESS}", f"::ffff:{STRANGER}", id="IPv4 in IPv6"),
    pytest.param(["svix"], SVIX_ADDRESS, STRANGER, id="svix"),
    pytest.param(["Svix"], "2600:1f24:64:8000::1", "2600:1f24:64:8100::1", id="svix over IPv6"),
    pytest.param(["svix", "198.51.100.1"], "198.51.100.1", STRANGER, id="svix and more"),
    pytest.param(["0.0.0.0/0"], STRANGER, "2001:db8::1", id="other family"),
)


@pytest.mark.parametrize(("allowed", "good", "bad"), LISTS)
def test_allowlist_allows_only_listed_addresses(
    webhook: WebhookClient, settings: Settings, allowed: list[str], good: str, bad: str
) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = allowed
    assert_rejected(webhook.post(BODY, REMOTE_ADDR=bad), "address_not_allowed", status=403)
    assert webhook.post(BODY, REMOTE_ADDR=good).status_code == 200


@pytest.mark.parametrize("address", ("", "unknown", "localhost"), ids=("unix socket", "word", "name"))
def test_unknown_address_is_rejected_by_an_allowlist(webhook: WebhookClient, settings: Settings, address: str) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = ["0.0.0.0/0", "::/0"]
    assert_rejected(webhook.post(BODY, REMOTE_ADDR=address), "address_not_allowed", status=403)


PROXY = "10.0.0.1"
FORWARDED = (
    pytest.param(0, SVIX_ADDRESS, "", 200, id="no proxy"),
    pytest.param(0, STRANGER, SVIX_ADDRESS, 403, id="no proxy, forged"),
    pytest.param(0, PROXY, SVIX_ADDRESS, 403, id="proxy that is not trusted"),
    pytest.param(1, PROXY, SVIX_ADDRESS, 200, id="one proxy"),
    pytest.param(1, PROXY, f"  {SVIX_ADDRESS}  ", 200, id="one proxy, spaces"),
    pytest.param(1, PROXY, f"{SVIX_ADDRESS}:5678", 200, id="one proxy, port"),
    pytest.param(1, PROXY, f"{STRANGER}, {SVIX_ADDRESS}", 200, id="one proxy, claim of the sender"),
    pytest.param(1, PROXY, f"{SVIX_ADDRESS}, {STRANGER}", 403, id="one proxy, forged"),
    pytest.param(1, PROXY, f"{SVIX_ADDRESS},", 403, id="one proxy, blank last"),
    pytest.param(1, PROXY, "junk", 403, id="one proxy, junk"),
    pytest.param(1, SVIX_ADDRESS, "", 403, id="one proxy, bypassed"),
    pytest.param(2, PROXY, f"{SVIX_ADDRESS}, 10.0.0.2", 200, id="two proxies"),
    pytest.param(2, PROXY, f"{SVIX_ADDRESS}, {STRANGER}, 10.0.0.2", 403, id="two proxies, forged"),
    pytest.param(2, PROXY, f"{STRANGER}, {SVIX_ADDRESS}", 403, id="two proxies, forged as the inner one"),
    pytest.param(2, PROXY, SVIX_ADDRESS, 403, id="two proxies, one bypassed"),
)


@pytest.mark.parametrize(("proxies", "remote", "forwarded", "status"), FORWARDED)
def test_client_address_is_taken_from_trusted_proxies(
    webhook: WebhookClient, settings: Settings, *, proxies: int, remote: str, forwarded: str, status: int
) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS, settings.TRUSTED_PROXY_COUNT = ["svix"], proxies
    response = webhook.post(BODY, headers={"x-forwarded-for": forwarded}, REMOTE_ADDR=remote)
    assert response.status_code == status
    assert WebhookEvent.objects.filter(source_address=SVIX_ADDRESS).exists() is (status == 200)


def test_listed_address_still_needs_a_signature(webhook: WebhookClient, settings: Settings) -> None:
    settings.CLERK_WEBHOOK_ALLOWED_IPS = ["svix"]
    response = webhook.post(BODY, headers={"svix-signature": ""}, REMOTE_ADDR=SVIX_ADDRESS)
    assert_rejected(response, "missing_headers")


def test_body_limit_exceeds_the_largest_svix_message() -> None:
    assert views.MAX_BODY_BYTES > 400_000
