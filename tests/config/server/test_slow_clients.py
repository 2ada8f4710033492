"""Clients that send data slowly, in chunks or not at all do not block other clients.

The tests use a real server without a proxy.
"""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from accounts.clerk import samples
from accounts.models import User
from config.server.gunicorn_worker import HEAD_TIMEOUT_S
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, gunicorn
from tests.helpers.webhooks import URL, Svix, new_svix_id, person
from tests.settings import SECRET
from webhooks.inbox import signatures

pytestmark = pytest.mark.django_db(transaction=True)

SLOW_CLIENTS = 200
#: The data that slow clients send before they stop.
STALLED = {
    "nothing": b"",
    "half a head": b"POST /api/webhooks/clerk HTTP/1.1\r\nHost: loc",
    "one byte of a body": b"POST /api/webhooks/clerk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
    "half a chunk": b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nabc",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[str]:
    log = tmp_path_factory.mktemp("slow clients") / "gunicorn.log"
    with gunicorn(database_url, log, workers=1, configuration=WITHOUT_ALERT_THREAD) as url:
        yield url


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=30)


@contextmanager
def stalled_connection(url: str, sent: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(SLOW_CLIENTS)]
        for client in clients:
            client.sendall(sent)
        yield clients


@pytest.mark.parametrize("sent", STALLED.values(), ids=STALLED)
def test_webhooks_and_pages_respond_while_other_clients_are_slow(url: str, sent: bytes) -> None:
    ada = person(first_name="Ada", last_name="Lovelace")
    with stalled_connection(url, sent), httpx.Client(base_url=url, timeout=5) as fast:
        assert fast.get("/builders/").status_code == 200
        response = Svix(fast).deliver(samples.user_event("user.created", ada), new_svix_id())
        assert response.json() == {"outcome": "processed"}
    assert User.objects.filter(clerk_id=ada.clerk_id).exists()


def test_stalled_request_is_closed(url: str) -> None:
    begun = time.monotonic()
    with connect(url) as client:
        client.sendall(STALLED["one byte of a body"])
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun < HEAD_TIMEOUT_S + 5


def test_webhook_without_a_length_is_processed(url: str) -> None:
    ada = person(first_name="Ada")
    envelope = samples.user_event("user.created", ada)
    body = samples.encode(envelope).encode()
    headers = signatures.sign(body.decode(), SECRET, svix_id=new_svix_id()) | {"content-type": "application/json"}
    pieces = (body[at : at + 100] for at in range(0, len(body), 100))  # httpx sends data from a generator in chunks.
    response = httpx.post(url + URL, content=pieces, headers=headers)
    assert response.json() == {"outcome": "processed"}


def test_both_pipelined_requests_get_a_response(url: str) -> None:
    with connect(url) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        received = b""
        while received.count(b"HTTP/1.1 200") < 2:
            piece = client.recv(4096)
            assert piece, received
            received += piece


def test_client_may_wait_for_100_continue(url: str) -> None:
    with connect(url) as client:
        head = (
            b"POST /api/webhooks/clerk HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        client.sendall(head)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_keep_alive_connection_serves_many_requests(url: str) -> None:
    client = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    sockets = set()
    for _ in range(20):
        client.request("GET", "/healthz")
        sockets.add(client.sock)
        response = client.getresponse()
        assert (response.status, response.read()) == (200, b'{"status": "ok"}')
    client.close()
    assert len(sockets) == 1
