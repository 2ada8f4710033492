"""Clerk's Backend API in tests: a fake with scripted responses, and requests forwarded to the stand-in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from pytest_django import Settings

from accounts.clerk import http as transport
from tests.helpers.tokens import KEY, key_set
from tests.local.clerk.standin import StandIn

API_KEY = "sk_test_of_the_stand_in"
#: Returns the response to a request. Raises an httpx error to simulate an unreachable server.
type Handler = Callable[[httpx.Request], httpx.Response]


class FakeClerk:
    """Records the product's requests, and responds to them with `handler`.

        clerk.handler = lambda request: httpx.Response(429, headers={"Retry-After": "3"})

    Attributes:
        key_set: the instance's public keys. Tests sign tokens with the private keys.
        pauses: arguments of calls to `time.sleep`, which does not wait.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.key_set = key_set(KEY.public_key())
        self.pauses: list[float] = []
        self.handler: Handler = lambda request: httpx.Response(500)

    def respond_with(self, *responses: httpx.Response | Exception, then: Handler | None = None) -> None:
        """Return the responses in order. Afterwards, call `then`, or repeat the last response."""
        queue = list(responses)

        def handler(request: httpx.Request) -> httpx.Response:
            if not queue and then:
                return then(request)
            response = queue.pop(0) if len(queue) > 1 or then else queue[0]
            if isinstance(response, Exception):
                raise response
            return response

        self.handler = handler

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/jwks":  # any test in the process can trigger this request
            return httpx.Response(200, json=self.key_set)
        self.requests.append(request)
        return self.handler(request)


@contextmanager
def fake_clerk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[FakeClerk]:
    """Replace Clerk with a fake."""
    fake = FakeClerk()
    settings.CLERK_SECRET_KEY = API_KEY
    client = httpx.Client(transport=httpx.MockTransport(fake.handle), headers=transport.client().headers)
    monkeypatch.setattr(transport, "client", lambda: client)
    monkeypatch.setattr("time.sleep", fake.pauses.append)
    yield fake


def forward(stand_in: StandIn) -> Handler:
    """Return a handler that forwards requests to the stand-in."""

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        status, headers, text = stand_in.request(request.method, path, request.content, _forwarded_headers(request))
        return httpx.Response(status, headers={"retry-after": headers.get("Retry-After", "")}, text=text)

    return handler


def _forwarded_headers(request: httpx.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
