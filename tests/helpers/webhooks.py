"""Post signed events in the same way as Svix."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx
from django.test import Client

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from tests.settings import SECRET
from webhooks.inbox import signatures

URL = "/api/webhooks/clerk"
_random = Random()


def new_svix_id() -> str:
    return samples.new_id(_random, "msg")


class WebhookClient:
    """Signs and posts events to the webhook endpoint, through all middleware."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def post(
        self,
        body: str | bytes | dict[str, Any],
        *,
        svix_id: str | None = None,
        at: datetime | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> Any:
        """Deliver `body`. `headers` replace the signed headers, and an empty value removes a header."""
        text = samples.encode(body) if isinstance(body, dict) else body
        signed = signatures.sign(
            text.decode("utf-8", "replace") if isinstance(text, bytes) else text,
            self.secret,
            svix_id=new_svix_id() if svix_id is None else svix_id,
            at=at,
        )
        sent = {name: value for name, value in (signed | (headers or {})).items() if value != ""}
        return self.client.post(
            URL,
            text.encode() if isinstance(text, str) else text,
            content_type="application/json",
            headers={"user-agent": "Svix-Webhooks/1.60 (sender-test)", **sent},
            **extra,
        )

    def created(self, user: SampleUser, **options: Any) -> str:
        """Deliver user.created and return the outcome."""
        return self.send("user.created", user, **options)

    def updated(self, user: SampleUser, **options: Any) -> str:
        """Deliver user.updated and return the outcome."""
        return self.send("user.updated", user, **options)

    def deleted(self, user: SampleUser, **options: Any) -> str:
        """Deliver user.deleted and return the outcome."""
        return self.send("user.deleted", user, **options)

    def send(self, event_type: str, user: SampleUser, **options: Any) -> str:
        response = self.post(samples.user_event(event_type, user), **options)
        assert response.status_code == 200, response.content
        outcome: str = response.json()["outcome"]
        return outcome


def person(**fields: Any) -> SampleUser:
    """Return a new user in Clerk. Use `.with_changes(first_name=…)` for a later version."""
    fields.setdefault("updated_at", datetime(2026, 11, 1, 12, tzinfo=UTC))
    return SampleUser.generate(_random, **fields)


class Svix:
    """Delivers events to a running server over HTTP. It is thread-safe."""

    def __init__(self, client: httpx.Client) -> None:
        self.http = client

    def deliver(self, envelope: dict[str, Any], svix_id: str) -> httpx.Response:
        """Post one attempt of a message."""
        body = samples.encode(envelope)
        headers = signatures.sign(body, SECRET, svix_id=svix_id) | {"content-type": "application/json"}
        return self.http.post(URL, content=body.encode(), headers=headers)

    def deliver_all(self, messages: list[tuple[dict[str, Any], str]], *, threads: int) -> list[httpx.Response]:
        """Post all messages from several threads, in approximately the given order."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda message: self.deliver(*message), messages))
