"""Test deliveries use the public URL, and the response is explained."""

from typing import Any

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from audit.models import AuditLog
from tests.helpers.clients import with_password
from webhooks.inbox.handlers import TEST_TYPE
from webhooks.models import WebhookEvent
from webhooks.monitoring.health import measure

URL = "/admin/webhooks/repairs/test-delivery/"


@pytest.fixture
def admin(db: None) -> Client:
    """Return a client with a password, because the tests change the origins of session tokens."""
    return with_password()


def send(admin: Client, **fields: Any) -> str:
    response = admin.post(URL, {"position": "1", "reason": "Checking the proxy", **fields})
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("position", (1, 2))
def test_delivery_through_a_real_server_is_stored_and_ignored(
    admin: Client, server: str, settings: Settings, position: int
) -> None:
    """Test deliveries must not resolve a silence alert."""
    settings.SITE_URL = server
    page = send(admin, position=str(position))
    assert "The delivery was accepted." in page
    assert "It cannot show whether the secret is the one in Clerk’s dashboard." in page
    event = WebhookEvent.objects.get()
    assert (event.state, event.event_type) == ("ignored", TEST_TYPE)
    assert f"/admin/webhooks/webhookevent/{event.pk}/change/" in page
    row = AuditLog.objects.get(action="TEST_DELIVERY_SENT")
    assert (row.details or {})["note"] == "Checking the proxy"
    assert measure().last_received is None


@pytest.mark.django_db(transaction=True)
def test_unknown_secret_is_explained(admin: Client, server: str, settings: Settings) -> None:
    settings.SITE_URL = server
    settings.CLERK_WEBHOOK_SECRETS = ["whsec_" + "c3RyYW5nZXIgc3RyYW5nZXIgc3RyYW5nZXIhISE="]
    page = send(admin)
    assert "The delivery was not accepted." in page
    assert "Restart all web servers with the same CLERK_WEBHOOK_SECRET." in page
    assert "c3RyYW5nZXI" not in page


@pytest.mark.parametrize(
    ("response", "advice"),
    (
        (httpx.Response(301, headers={"Location": "https://elsewhere.example"}), "Register the final address"),
        (httpx.Response(403, text="<html>Blocked"), "Allow POST requests"),
        (httpx.Response(404, text="x"), "Compare SITE_URL"),
        (httpx.Response(502, text="x"), "Check whether the web server is running"),
        (httpx.Response(503, json={"error": "unavailable"}), "Follow the runbook"),
        (httpx.Response(200, text="Welcome"), "Check the routes of the proxy."),
        (httpx.ConnectError("connection refused"), "Check the DNS record"),
        (httpx.ReadTimeout("slow"), "Check the firewall and the load"),
    ),
)
def test_rejection_is_explained(
    admin: Client, monkeypatch: pytest.MonkeyPatch, response: httpx.Response | Exception, advice: str
) -> None:
    urls: list[str] = []

    def post(url: str, **options: Any) -> httpx.Response:
        assert options["follow_redirects"] is False
        urls.append(url)
        if isinstance(response, Exception):
            raise response
        return response

    monkeypatch.setattr(httpx, "post", post)
    page = send(admin)
    assert "The delivery was not accepted." in page
    assert advice in page
    assert len(urls) == 1


def test_target_url_is_read_only_from_the_settings(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []

    def post(url: str, **options: Any) -> httpx.Response:
        urls.append(url)
        return httpx.Response(200, json={"outcome": "ignored"})

    monkeypatch.setattr(httpx, "post", post)
    admin.post(
        f"{URL}?url=http://169.254.169.254/",
        {"position": "1", "reason": "x", "url": "http://169.254.169.254/"},
        headers={"host": "127.0.0.1"},
    )
    assert "169.254" not in urls[0]


def test_delivery_requires_a_reason_and_a_known_secret(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "post", pytest.fail)
    for fields in ({"reason": ""}, {"position": "9"}, {"position": "x"}):
        send(admin, **fields)
    assert not AuditLog.objects.filter(action="TEST_DELIVERY_SENT").exists()
