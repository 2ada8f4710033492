"""`manage.py clerk_doctor` reports problems and how to fix them."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import StringIO
from typing import Any

import httpx
import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.clerk import diagnostics, rate_limiter
from accounts.models import ClerkRateLimit, LegalVersion, MetadataPush
from config.environment import BASE_DIR
from tests.helpers.factories import UserFactory
from tests.helpers.tokens import KEY, KEY_ID
from webhooks.doctor.catalogue import CHECKS

pytestmark = pytest.mark.django_db

WEBHOOK_URL = "https://profiles.example.com/api/webhooks/clerk"


class Clerk:
    """Responses from Clerk and from our webhook endpoint."""

    def __init__(self) -> None:
        self.key_id, self.status, self.off_s = KEY_ID, 200, 0.0
        self.users_status = 200
        self.webhook = httpx.Response(405, json={"error": "method_not_allowed"})
        self.is_down = False
        self.key_set: Any = None

    def get(self, url: str, **options: Any) -> httpx.Response:
        if url == WEBHOOK_URL:
            return self.webhook
        if self.is_down:
            raise httpx.ConnectError("connection refused")
        request = httpx.Request("GET", url)
        if url.endswith("/v1/users"):
            return httpx.Response(self.users_status, json=[], request=request)
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": self.key_id, "alg": "RS256"}
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=self.off_s), usegmt=True)
        body = {"keys": [jwk]} if self.key_set is None else self.key_set
        return httpx.Response(self.status, json=body, headers={"Date": date}, request=request)


@pytest.fixture
def clerk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Clerk:
    settings.CLERK_SECRET_KEY, settings.CLERK_JWT_KEY, settings.CLERK_INSTANCE_ID = "sk_test_any", "", KEY_ID
    clerk = Clerk()
    monkeypatch.setattr(httpx, "get", clerk.get)
    monkeypatch.setattr(httpx, "head", clerk.get)
    monkeypatch.setattr(
        diagnostics, "certificate_expires_at", lambda host, port: datetime.now(UTC) + timedelta(days=60)
    )
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **options: [(2, 1, 6, "", ("192.0.2.1", 443))])
    with connection.cursor() as cursor:  # Procrastinate's models are read-only.
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    return clerk


def run_doctor() -> str:
    """Return the command's output, including its error."""
    output = StringIO()
    try:
        call_command("clerk_doctor", webhook_url=WEBHOOK_URL, stdout=output, no_color=True)
    except CommandError as error:
        output.write(str(error))
    return output.getvalue()


def test_working_connection_passes_every_check(clerk: Clerk) -> None:
    output = run_doctor()
    assert "error" not in output
    words = [line.split()[0] for line in output.partition("\n\n")[0].splitlines()]
    assert len(words) == len(CHECKS)
    # The tests use HTTP on this machine (three checks), send no mail, set no contact for security.txt and publish no legal
    # texts. No delivery and no report of a host has arrived, and the database archives no log.
    assert words.count("skip") == 9
    assert words.count("ok") == len(CHECKS) - 9


def test_each_problem_is_reported(clerk: Clerk, settings: Settings) -> None:
    clerk.off_s = -60
    assert re.search(r"differs from Clerk's by 6[01] s", run_doctor())  # The header has a precision of one second.
    clerk.off_s, clerk.key_id = 0, "ins_another"
    assert "Its keys belong to ins_another" in run_doctor()
    clerk.key_id, clerk.status = KEY_ID, 401
    assert "Clerk returned 401 for GET /v1/jwks with CLERK_SECRET_KEY" in run_doctor()
    clerk.status, clerk.webhook = 200, httpx.Response(301)
    assert "returned 301, which is not a response from the webhook endpoint" in run_doctor()
    clerk.webhook = httpx.Response(405, json={"error": "method_not_allowed"})
    settings.CLERK_AUTHORIZED_PARTIES = []
    assert "accounts.E001" in run_doctor()
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert "users cannot sign in" in run_doctor()
    settings.CLERK_SECRET_KEY = ""
    assert "CLERK_SECRET_KEY is not set" in run_doctor()


def test_worker_without_recent_heartbeat_is_reported(clerk: Clerk) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '5 minutes'")
    assert "No queue worker is running" in run_doctor()


def test_starting_texts_are_reported_until_they_are_replaced(clerk: Clerk, settings: Settings) -> None:
    settings.LOCAL_MODE = False
    sentence = "Visitors see a starting text that does not apply: "
    assert f"{sentence}Terms of use, Privacy policy, Contact." in run_doctor()
    author = UserFactory.create(admin=True)
    for document in ("terms", "privacy"):
        LegalVersion.objects.create(document=document, number=1, texts={"en": "Text"}, published_by=author)
    assert f"{sentence}Contact." in run_doctor()
    LegalVersion.objects.create(document="contact", number=1, texts={"en": "Text"}, published_by=author)
    assert sentence not in run_doctor()


def test_unreachable_clerk_is_reported_without_traceback(clerk: Clerk) -> None:
    clerk.is_down = True
    output = run_doctor()
    assert output.count("connection refused") == 4  # the health signals repeat that the public keys cannot be read
    assert "4 checks failed." in output


@pytest.mark.parametrize(
    ("status", "advice"),
    ((401, "Copy CLERK_SECRET_KEY again"), (403, "may read users"), (429, "Wait a minute"), (503, "status.clerk.com")),
)
def test_key_without_access_to_users_is_reported(clerk: Clerk, status: int, advice: str) -> None:
    """The key set can be readable even if the user list is not."""
    clerk.users_status = status
    output = run_doctor()
    assert f"Clerk returned {status} for GET /v1/users" in output
    assert advice in output


def test_paused_requests_are_reported(clerk: Clerk) -> None:
    until = timezone.now() + timedelta(minutes=2)
    ClerkRateLimit.objects.create(
        name=rate_limiter.INSTANCE, next_slot_at=until, failures=7, suspended_until=until, refused_at=None
    )
    assert "after 7 failures in a row" in run_doctor()
    ClerkRateLimit.objects.update(suspended_until=None, refused_at=timezone.now())
    assert "Clerk has refused CLERK_SECRET_KEY since" in run_doctor()


def test_failed_pushes_are_reported(clerk: Clerk) -> None:
    now = timezone.now()
    push = MetadataPush.objects.create(
        user=UserFactory.create(),
        state=MetadataPush.State.PENDING,
        requested_at=now,
        next_attempt_at=now,
        attempts=3,
        last_error="Clerk answered PATCH with 500.",
    )
    assert "A push has failed 3 times. Latest error: Clerk answered PATCH with 500." in run_doctor()
    MetadataPush.objects.filter(pk=push.pk).update(state=MetadataPush.State.REFUSED)
    assert "Given up: 1 push. Latest error: Clerk answered PATCH with 500." in run_doctor()


@pytest.mark.parametrize("key_set", ([], {}, {"keys": []}, {"keys": 7}, "x"))
def test_invalid_key_set_is_reported_without_traceback(clerk: Clerk, key_set: Any) -> None:
    clerk.key_set = key_set
    output = run_doctor()
    assert "error  Public keys: The public keys could not be fetched: " in output
    assert "is not a key set" in output


def test_secret_key_is_not_printed(clerk: Clerk, settings: Settings) -> None:
    clerk.status = 401
    settings.CLERK_SECRET_KEY = "sk_test_secret-enough"
    assert "secret-enough" not in run_doctor()


def test_values_for_clerks_dashboard_are_printed(clerk: Clerk, settings: Settings) -> None:
    settings.SITE_URL = "https://profiles.example.com"
    output = run_doctor()
    assert "Webhooks, endpoint URL: https://profiles.example.com/api/webhooks/clerk\n" in output
    [events] = re.findall(r"Webhooks, events: (.*)", output)
    documented = (
        (BASE_DIR / "docs" / "clerk_dashboard.md")
        .read_text()
        .partition("Subscribe to events**:")[2]
        .partition(".\n")[0]
    )
    assert set(events.split(", ")) == set(re.findall(r"`([A-Za-z.]+)`", documented))
