"""A stand-in and an endpoint for all tests that do not stop them."""

from collections.abc import Iterator

import pytest

from tests.local.clerk.standin import Browser, Endpoint, StandIn

NO_FAULTS = {
    **dict.fromkeys(("delay_s", "shuffle", "lose_percent", "api_delay_ms", "api_limit", "api_user_limit"), 0),
    **dict.fromkeys((f"api_{fault}_percent" for fault in ("fail", "lose_answer", "garble", "refuse")), 0),
    **dict.fromkeys(("duplicate", "api_outage", "api_reject_metadata"), False),
}


@pytest.fixture(scope="session")
def shared_endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@pytest.fixture(scope="session")
def shared_stand_in(shared_endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(tmp_path_factory.mktemp("local.clerk"), shared_endpoint.url) as stand_in:
        yield stand_in
        stand_in.stop()


@pytest.fixture
def endpoint(shared_endpoint: Endpoint) -> Iterator[Endpoint]:
    """Return an endpoint that responds with 200. Fail the test if a signature is invalid."""
    shared_endpoint.status, shared_endpoint.pause_s = 200, 0.0
    yield shared_endpoint
    shared_endpoint.status, shared_endpoint.pause_s = 200, 0.0
    assert shared_endpoint.signature_errors == []


@pytest.fixture
def stand_in(shared_stand_in: StandIn, endpoint: Endpoint) -> Iterator[StandIn]:
    """Return a stand-in without fault injection."""
    yield shared_stand_in
    assert shared_stand_in.call("PATCH", "/local/settings", NO_FAULTS)[0] == 200


@pytest.fixture
def browser(stand_in: StandIn) -> Browser:
    return Browser(stand_in)
