"""Reading, fetching and caching public keys for token verification."""

import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.core.exceptions import ImproperlyConfigured

from accounts.clerk import jwks
from accounts.clerk.jwks import KeyServer, KeysUnavailable
from tests.helpers.tokens import KEY, public_pem

PEM = public_pem(KEY)
BODY = "".join(PEM.splitlines()[1:-1])
PUBLIC = KEY.public_key()


class Server:
    """A key server that counts requests and can simulate an outage."""

    def __init__(self) -> None:
        self.requests = 0
        self.now = 0.0
        self.is_down = False
        self.keys: dict[str, RSAPublicKey] = {"ins_1": PUBLIC}

    def fetch(self) -> dict[str, RSAPublicKey]:
        self.requests += 1
        if self.is_down:
            raise OSError("no route to host")
        return dict(self.keys)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def cache(server: Server) -> KeyServer:
    return KeyServer(server.fetch, clock=lambda: server.now)


@pytest.mark.parametrize(
    "text",
    (
        pytest.param(PEM, id="PEM"),
        pytest.param(PEM.replace("\n", "\\n"), id="literal backslash n"),
        pytest.param(PEM.replace("\n", " "), id="one line"),
        pytest.param(PEM.replace("\n", ""), id="no newlines at all"),
        pytest.param(BODY, id="without BEGIN and END"),
        pytest.param(f'"{PEM}"', id="quoted"),
        pytest.param(PEM.replace("\n", "\r\n"), id="Windows"),
    ),
)
def test_key_is_parsed_in_every_pasted_form(text: str) -> None:
    assert jwks.parse_pem(text).public_numbers() == PUBLIC.public_numbers()


@pytest.mark.parametrize("text", ("nonsense", "pk_test_abc", BODY[:100], "-----BEGIN PUBLIC KEY-----"))
def test_invalid_key_error_names_the_setting(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CLERK_JWT_KEY"):
        jwks.parse_pem(text)


def test_key_is_fetched_once(server: Server, cache: KeyServer) -> None:
    assert [cache.find("ins_1") for _ in range(5)] == [PUBLIC] * 5
    assert server.requests == 1


def test_unknown_ids_cause_at_most_one_fetch_per_minute(server: Server, cache: KeyServer) -> None:
    cache.find("ins_1")
    assert [cache.find(f"ins_made_up_{n}") for n in range(50)] == [None] * 50
    assert server.requests == 1
    server.now += 61
    assert cache.find("ins_made_up") is None
    assert server.requests == 2


def test_new_key_is_fetched(server: Server, cache: KeyServer) -> None:
    cache.find("ins_1")
    server.keys["ins_2"] = PUBLIC
    server.now += 61
    assert cache.find("ins_2") == PUBLIC


def test_withdrawn_key_is_dropped(server: Server, cache: KeyServer) -> None:
    cache.find("ins_1")
    server.keys = {"ins_2": PUBLIC}
    server.now += 301
    assert cache.find("ins_1") is None


def test_cached_keys_stay_valid_while_the_server_is_down(server: Server, cache: KeyServer) -> None:
    cache.find("ins_1")
    server.is_down = True
    for _ in range(10):
        server.now += 400
        assert cache.find("ins_1") == PUBLIC


def test_failed_first_fetch_raises_keys_unavailable(server: Server, cache: KeyServer) -> None:
    server.is_down = True
    with pytest.raises(KeysUnavailable):
        cache.find("ins_1")


def test_slow_fetch_does_not_block_lookups_of_cached_keys() -> None:
    requested, respond = threading.Event(), threading.Event()
    fetches = 0

    def fetch() -> dict[str, RSAPublicKey]:
        nonlocal fetches
        fetches += 1
        if fetches > 1:
            requested.set()
            respond.wait(5)
        return {"ins_1": PUBLIC}

    now = 0.0
    cache = KeyServer(fetch, clock=lambda: now)
    cache.find("ins_1")
    now = 400.0
    slow = threading.Thread(target=cache.find, args=("ins_1",))
    slow.start()
    assert requested.wait(5)
    started = time.perf_counter_ns()
    assert cache.find("ins_1") == PUBLIC
    assert time.perf_counter_ns() - started < 5_000_000_000
    respond.set()
    slow.join()
    assert fetches == 2
