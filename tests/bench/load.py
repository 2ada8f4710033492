"""Generate a mix of signed events, and send them over keep-alive connections."""

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from webhooks.inbox import signatures

#: Fractions of event types and delivery problems in a growing site's traffic.
CREATED, UPDATED = 0.5, 0.4
REPEATED, OUT_OF_ORDER = 0.05, 0.05


@dataclass(frozen=True)
class Result:
    """Events per second, the number of responses by status, and the sorted times to the responses in milliseconds."""

    per_second: float
    statuses: Counter[int]
    latencies_ms: list[float]


def requests(events: int, seed: int, secret: str, port: int) -> list[bytes]:
    """Return signed HTTP requests for `events` different events. Some requests are repeated or out of order."""
    random = Random(seed)
    sent = messages(events, random)
    for _ in range(int(events * OUT_OF_ORDER)):
        index = random.randrange(events - 1)
        sent[index], sent[index + 1] = sent[index + 1], sent[index]
    sent += random.choices(sent, k=int(events * REPEATED))
    return [_render(body, svix_id, secret, port) for body, svix_id in sent]


def send(messages: list[bytes], port: int, connections: int) -> Result:
    """Send all messages and wait for every response. Each connection sends one message at a time."""
    statuses: Counter[int] = Counter()
    latencies_ms: list[float] = []
    indexes = count()
    threads = [
        threading.Thread(target=_send_from_thread, args=(messages, indexes, port, statuses, latencies_ms))
        for _ in range(connections)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Result(len(messages) / (time.perf_counter() - started), statuses, sorted(latencies_ms))


def unsigned(requests: list[bytes]) -> list[bytes]:
    """Return the requests with invalid signatures."""
    return [message.replace(b"svix-signature: v1,", b"svix-signature: v1,AAAA", 1) for message in requests]


def messages(events: int, random: Random) -> list[tuple[str, str]]:
    """Return the bodies and svix-ids of events about a growing number of users."""
    users: list[SampleUser] = []
    now = datetime.now(UTC)
    found = []
    for number in range(events):
        moment, chance = now + timedelta(milliseconds=number), random.random()
        if chance < CREATED or len(users) < 8:
            users.append(SampleUser.generate(random, updated_at=moment, roles=[random.choice(["BUILDER", "CLIENT"])]))
            event_type, user = "user.created", users[-1]
        elif chance < CREATED + UPDATED:
            index = random.randrange(len(users))
            users[index] = users[index].with_changes(updated_at=moment, first_name=random.choice(samples.NAMES)[0])
            event_type, user = "user.updated", users[index]
        else:
            event_type, user = "user.deleted", users.pop(random.randrange(len(users))).with_changes(updated_at=moment)
        found.append((samples.encode(samples.user_event(event_type, user)), samples.new_id(random, "msg")))
    return found


def _render(body: str, svix_id: str, secret: str, port: int) -> bytes:
    content = body.encode()
    headers = signatures.sign(body, secret, svix_id=svix_id) | {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /api/webhooks/clerk HTTP/1.1\r\n{lines}\r\n".encode() + content


def _send_from_thread(
    messages: list[bytes], indexes: "count[int]", port: int, statuses: Counter[int], latencies_ms: list[float]
) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in iter(lambda: next(indexes), None):
            if index >= len(messages):
                return
            started = time.perf_counter()
            connection.sendall(messages[index])
            statuses[_status(connection)] += 1
            latencies_ms.append(1000 * (time.perf_counter() - started))


def _status(connection: socket.socket) -> int:
    """Read one response with a Content-Length, and return its status."""
    response = b""
    while b"\r\n\r\n" not in response:
        response += _receive(connection)
    head, _, body = response.partition(b"\r\n\r\n")
    [length] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < length:
        body += _receive(connection)
    return int(head.split(b" ", 2)[1])


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError("The server closed the connection.")
    return received
