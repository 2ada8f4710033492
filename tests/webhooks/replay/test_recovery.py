"""Recovery of missed deliveries through the Svix API, or with manual steps if it is not configured."""

import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from django.core import checks
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit.models import AuditLog
from tests.helpers.clients import signed_in
from tests.helpers.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "/admin/webhooks/repairs/recovery/"


class SvixServer:
    """Svix's API with a scripted response."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.status, self.body = (
            202,
            json.dumps(
                {"id": "qtask_1", "status": "running", "task": "endpoint.recover", "updatedAt": "2026-11-01T12:00:00Z"}
            ),
        )
        svix = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                svix.requests.append((self.path, self.headers["Authorization"], body))
                self.send_response(svix.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(svix.body.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def svix_api(settings: Settings) -> Iterator[SvixServer]:
    api = SvixServer()
    Thread(target=api.server.serve_forever, args=(0.02,), daemon=True).start()
    settings.SVIX_API_KEY, settings.SVIX_APP_ID, settings.SVIX_ENDPOINT_ID = "testsk_very-secret", "app_1", "ep_1"
    settings.SVIX_API_URL = f"http://127.0.0.1:{api.server.server_port}"
    yield api
    api.server.shutdown()
    api.server.server_close()


@pytest.fixture
def admin() -> Client:
    return signed_in(UserFactory.create(admin=True))


def recover(admin: Client, **fields: Any) -> str:
    since = (timezone.now() - timedelta(hours=3)).isoformat()
    values = {"scope": "failed", "since": since, "reason": "The proxy was down", **fields}
    return admin.post(URL, values, follow=True).content.decode()


@pytest.mark.parametrize(("scope", "path"), (("failed", "recover"), ("missing", "replay-missing")))
def test_recovery_is_started_and_audited(admin: Client, svix_api: SvixServer, scope: str, path: str) -> None:
    svix_api.body = svix_api.body.replace(
        "endpoint.recover", "endpoint.recover" if scope == "failed" else "endpoint.replay"
    )
    assert "Svix has started the task qtask_1." in recover(admin, scope=scope)
    [(requested, authorization, body)] = svix_api.requests
    assert requested == f"/api/v1/app/app_1/endpoint/ep_1/{path}"
    assert authorization == "Bearer testsk_very-secret"
    assert body["since"].startswith(f"{timezone.now() - timedelta(hours=3):%Y-%m-%dT}")
    row = AuditLog.objects.get(action="DELIVERIES_RECOVERED")
    assert ((row.details or {})["note"], (row.details or {})["answer"]) == ("The proxy was down", "qtask_1")


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    (
        (401, '{"code": "authentication_failed", "detail": "Invalid token"}', "Check SVIX_API_KEY."),
        (404, '{"code": "not_found", "detail": "Entity not found"}', "Check SVIX_APP_ID and SVIX_ENDPOINT_ID."),
        (422, '{"detail": [{"loc": ["body"], "msg": "x", "type": "y"}]}', "invalid request"),
        (500, '{"code": "x", "detail": "y"}', "Try again later."),
        (502, "<html>Bad gateway</html>", "dashboard"),
        (202, "[]", "may have started"),
    ),
)
def test_rejection_is_explained_and_audited(
    admin: Client, svix_api: SvixServer, status: int, body: str, advice: str
) -> None:
    svix_api.status, svix_api.body = status, body
    page = recover(admin)
    assert advice in page
    assert "very-secret" not in page
    assert len(svix_api.requests) == 1
    assert advice in (AuditLog.objects.get(action="DELIVERIES_RECOVERED").details or {})["answer"]


def test_unreachable_svix_is_explained(admin: Client, svix_api: SvixServer, settings: Settings) -> None:
    settings.SVIX_API_URL = "http://127.0.0.1:1"
    assert "Svix could not be reached" in recover(admin)


def test_start_time_must_be_in_the_past(admin: Client, svix_api: SvixServer) -> None:
    for since in (timezone.now() + timedelta(hours=1), timezone.now() - timedelta(days=91)):
        assert "Enter a time within the last 90 days." in recover(admin, since=since.isoformat())
    for text in ("yesterday", "9999-99-99"):
        assert "Enter a time" in recover(admin, since=text)
    assert "This field is required." in recover(admin, since="")
    assert svix_api.requests == []


def test_page_explains_the_steps_without_a_key(admin: Client) -> None:
    page = admin.get(URL).content.decode()
    assert "Replay failed messages" in page
    assert "/admin/webhooks/alert/runbooks/silence/" in page
    assert "Recover deliveries</button>" not in page
    assert "Nothing was started" in recover(admin)


@pytest.mark.parametrize(
    ("values", "expected"),
    (
        ({"SVIX_API_KEY": "sk"}, "webhooks.E010"),
        ({"SVIX_API_KEY": "sk", "SVIX_APP_ID": "app_1/../x", "SVIX_ENDPOINT_ID": "ep_1"}, "webhooks.E011"),
        ({"SVIX_API_URL": "http://svix.example.com"}, "webhooks.E011"),
        ({"SVIX_API_KEY": "sk", "SVIX_APP_ID": "app_1", "SVIX_ENDPOINT_ID": "ep_1"}, None),
    ),
)
def test_incomplete_settings_are_rejected(settings: Settings, values: dict[str, str], expected: str | None) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    found = {message.id for message in checks.run_checks(tags=[checks.Tags.security])}
    assert (expected in found) if expected else not found & {"webhooks.E010", "webhooks.E011"}
