"""The running Clerk stand-in, which loses every webhook."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts.clerk import http as transport
from tests.helpers.clerk import API_KEY
from tests.local.clerk.conftest import NO_FAULTS
from tests.local.clerk.standin import INSTANCE_ID, StandIn


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    folder = tmp_path_factory.mktemp("reconciled")
    with StandIn(folder, "http://127.0.0.1:9/", CLERK_SECRET_KEY=API_KEY) as stand_in:
        yield stand_in
        transport.client().close()
        transport.client.cache_clear()
        stand_in.stop()


@pytest.fixture
def clerk(shared: StandIn, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """Return the stand-in without users, and use it as Clerk without rate limits."""
    monkeypatch.setattr("accounts.clerk.rate_limiter.requests_per_window", lambda name: 1_000_000)
    settings.CLERK_API_URL, settings.CLERK_SECRET_KEY = f"http://127.0.0.1:{shared.port}", API_KEY
    settings.CLERK_INSTANCE_ID = INSTANCE_ID
    calm: dict[str, Any] = NO_FAULTS | {"lose_percent": 100, "api_limit": 100_000, "api_user_limit": 100_000}
    assert shared.call("PATCH", "/local/settings", calm)[0] == 200
    yield shared
    assert shared.call("PATCH", "/local/settings", NO_FAULTS)[0] == 200
    for user in shared.call("GET", "/local/users")[1]:
        shared.call("DELETE", f"/local/users/{user['id']}")
