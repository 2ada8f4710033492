"""Clerk's Backend API in the hands of a test: made-up answers, and the stand-in without people."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from pytest_django import Settings

from accounts.clerk import http as transport
from tests.helpers.tokens import KEY, key_set
from tests.local.clerk.standin import StandIn

API_KEY = "sk_test_of_the_stand_in"
#: Answers a request; raising an httpx error is being out of reach.
type Handler = Callable[[httpx.Request], httpx.Response]


class FakeClerk:
    """Answers requests of the product with `handler`, and remembers them.

        clerk.handler = lambda request: httpx.Response(429, headers={"Retry-After": "3"})

    Attributes:
        key_set: the public keys of the instance, which are those that tests sign tokens with.
        pauses: seconds that the product meant to wait; nobody waits.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.key_set = key_set(KEY.public_key())
        self.pauses: list[float] = []
        self.handler: Handler = lambda request: httpx.Response(500)

    def answers(self, *responses: httpx.Response | Exception, then: Handler | None = None) -> None:
        """Give these answers one after the other, and the last for ever, or go on with `then`."""
        queue = list(responses)

        def handler(request: httpx.Request) -> httpx.Response:
            if not queue and then:
                return then(request)
            response = queue.pop(0) if len(queue) > 1 or then else queue[0]
            if isinstance(response, Exception):
                raise response
            return response

        self.handler = handler

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/jwks":  # asked once in a process, by whichever test needs it first
            return httpx.Response(200, json=self.key_set)
        self.requests.append(request)
        return self.handler(request)


@contextmanager
def fake_clerk(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[FakeClerk]:
    """Put a made-up Clerk in the place of the real one."""
    fake = FakeClerk()
    settings.CLERK_SECRET_KEY = API_KEY
    real = httpx.Client(transport=httpx.MockTransport(fake.answer), headers=transport.client().headers)
    monkeypatch.setattr(transport, "client", lambda: real)
    monkeypatch.setattr("time.sleep", fake.pauses.append)
    yield fake


def forward(stand_in: StandIn) -> Handler:
    """Return a handler that passes requests on to the stand-in."""

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        status, headers, text = stand_in.request(request.method, path, request.content, _kept(request))
        return httpx.Response(status, headers={"retry-after": headers.get("Retry-After", "")}, text=text)

    return handler


def _kept(request: httpx.Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
