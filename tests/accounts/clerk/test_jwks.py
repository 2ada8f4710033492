"""Where the keys come from that tokens are checked with."""

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
    """A key server that counts how often it is asked, and can be away."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0
        self.away = False
        self.keys: dict[str, RSAPublicKey] = {"ins_1": PUBLIC}

    def fetch(self) -> dict[str, RSAPublicKey]:
        self.asked += 1
        if self.away:
            raise OSError("no route to host")
        return dict(self.keys)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def found(server: Server) -> KeyServer:
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
def test_a_key_is_read_however_it_was_pasted(text: str) -> None:
    assert jwks.parse_pem(text).public_numbers() == PUBLIC.public_numbers()


@pytest.mark.parametrize("text", ("nonsense", "pk_test_abc", BODY[:100], "-----BEGIN PUBLIC KEY-----"))
def test_what_is_no_key_is_named(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CLERK_JWT_KEY"):
        jwks.parse_pem(text)


def test_a_key_is_fetched_once(server: Server, found: KeyServer) -> None:
    assert [found.find("ins_1") for _ in range(5)] == [PUBLIC] * 5
    assert server.asked == 1


def test_unknown_ids_cause_one_fetch_a_minute_at_most(server: Server, found: KeyServer) -> None:
    found.find("ins_1")
    assert [found.find(f"ins_made_up_{n}") for n in range(50)] == [None] * 50
    assert server.asked == 1
    server.now += 61
    assert found.find("ins_made_up") is None
    assert server.asked == 2


def test_a_new_key_is_found(server: Server, found: KeyServer) -> None:
    found.find("ins_1")
    server.keys["ins_2"] = PUBLIC
    server.now += 61
    assert found.find("ins_2") == PUBLIC


def test_a_key_that_was_withdrawn_stops_counting(server: Server, found: KeyServer) -> None:
    found.find("ins_1")
    server.keys = {"ins_2": PUBLIC}
    server.now += 301
    assert found.find("ins_1") is None


def test_known_keys_count_while_the_server_is_away(server: Server, found: KeyServer) -> None:
    found.find("ins_1")
    server.away = True
    for _ in range(10):
        server.now += 400
        assert found.find("ins_1") == PUBLIC


def test_without_any_key_it_says_so(server: Server, found: KeyServer) -> None:
    server.away = True
    with pytest.raises(KeysUnavailable):
        found.find("ins_1")


def test_a_slow_fetch_holds_up_nobody_whose_key_is_known() -> None:
    asked, answer = threading.Event(), threading.Event()
    fetches = 0

    def fetch() -> dict[str, RSAPublicKey]:
        nonlocal fetches
        fetches += 1
        if fetches > 1:
            asked.set()
            answer.wait(5)
        return {"ins_1": PUBLIC}

    now = 0.0
    found = KeyServer(fetch, clock=lambda: now)
    found.find("ins_1")
    now = 400.0
    slow = threading.Thread(target=found.find, args=("ins_1",))
    slow.start()
    assert asked.wait(5)
    started = time.perf_counter_ns()
    assert found.find("ins_1") == PUBLIC
    assert time.perf_counter_ns() - started < 5_000_000_000
    answer.set()
    slow.join()
    assert fetches == 2
