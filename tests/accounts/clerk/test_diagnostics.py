"""`manage.py clerk_doctor` finds what is wrong between a deployment and Clerk, and says what to change."""

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
from pytest_django import Settings

from tests.helpers.tokens import KEY, KEY_ID

pytestmark = pytest.mark.django_db

WEBHOOK_URL = "https://profiles.example.com/api/webhooks/clerk"


class Clerk:
    """Answers as Clerk, Svix's way to us, and the rest of the world would."""

    def __init__(self) -> None:
        self.key_id, self.status, self.off_s = KEY_ID, 200, 0.0
        self.webhook = httpx.Response(400, json={"error": "missing_headers"})
        self.is_away = False
        self.answer: Any = None

    def get(self, url: str, **options: Any) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("nobody is there")
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": self.key_id, "alg": "RS256"}
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=self.off_s), usegmt=True)
        request = httpx.Request("GET", url)
        answer = {"keys": [jwk]} if self.answer is None else self.answer
        return httpx.Response(self.status, json=answer, headers={"Date": date}, request=request)

    def post(self, url: str, **options: Any) -> httpx.Response:
        assert url == WEBHOOK_URL
        return self.webhook


@pytest.fixture
def clerk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Clerk:
    settings.CLERK_SECRET_KEY, settings.CLERK_JWT_KEY, settings.CLERK_INSTANCE_ID = "sk_test_any", "", KEY_ID
    clerk = Clerk()
    monkeypatch.setattr(httpx, "get", clerk.get)
    monkeypatch.setattr(httpx, "head", clerk.get)
    monkeypatch.setattr(httpx, "post", clerk.post)
    with connection.cursor() as cursor:  # the queue's models are for reading only
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    return clerk


def diagnosis() -> str:
    """Return what the command prints, whether it is content or not."""
    said = StringIO()
    try:
        call_command("clerk_doctor", webhook_url=WEBHOOK_URL, stdout=said, no_color=True)
    except CommandError as error:
        said.write(str(error))
    return said.getvalue()


def test_all_is_well(clerk: Clerk) -> None:
    said = diagnosis()
    assert "wrong" not in said
    assert said.count("well") == 7


def test_each_fault_is_named_with_what_to_change(clerk: Clerk, settings: Settings) -> None:
    clerk.off_s = -60
    assert re.search(r"differs from Clerk's by 6[01] s", diagnosis())  # the header has whole seconds
    clerk.off_s, clerk.key_id = 0, "ins_another"
    assert "Its keys are of ins_another" in diagnosis()
    clerk.key_id, clerk.status = KEY_ID, 401
    assert "Clerk answers 401 to CLERK_SECRET_KEY" in diagnosis()
    clerk.status, clerk.webhook = 200, httpx.Response(301)
    assert "answers 301, and not as the webhook endpoint does" in diagnosis()
    clerk.webhook = httpx.Response(400, json={"error": "missing_headers"})
    settings.CLERK_AUTHORIZED_PARTIES = []
    assert "accounts.E001" in diagnosis()
    settings.CLERK_PUBLISHABLE_KEY = ""
    assert "nobody can sign in" in diagnosis()
    settings.CLERK_SECRET_KEY = ""
    assert "CLERK_SECRET_KEY is not set" in diagnosis()


def test_silent_worker_is_missed(clerk: Clerk) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '5 minutes'")
    assert "None has been heard of" in diagnosis()


def test_clerk_that_is_away_is_a_finding_and_no_traceback(clerk: Clerk) -> None:
    clerk.is_away = True
    said = diagnosis()
    assert said.count("nobody is there") == 3
    assert "3 of these need to be put right" in said


@pytest.mark.parametrize("answer", ([], {}, {"keys": []}, {"keys": 7}, "x"))
def test_a_server_without_keys_is_a_finding_and_no_traceback(clerk: Clerk, answer: Any) -> None:
    clerk.answer = answer
    said = diagnosis()
    assert "wrong  key server: It cannot be asked: " in said
    assert "is no set of keys" in said


def test_no_secret_is_printed(clerk: Clerk, settings: Settings) -> None:
    clerk.status = 401
    settings.CLERK_SECRET_KEY = "sk_test_secret-enough"
    assert "secret-enough" not in diagnosis()
