"""A mixed load of signed events, and a client that sends it over keep-alive connections."""

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

#: The shares of what happens, as in Clerk's traffic of a growing site.
CREATED, UPDATED = 0.5, 0.4
REPEATED, OUT_OF_ORDER = 0.05, 0.05
CONNECTIONS = 16


@dataclass(frozen=True)
class Result:
    """What a round took: events per second, and how often each status was answered."""

    per_second: float
    statuses: Counter[int]


def requests(events: int, seed: int, secret: str, port: int) -> list[bytes]:
    """Return signed requests, ready for the wire: `events` different ones, some of them repeated or out of order."""
    random = Random(seed)
    messages = _messages(events, random)
    for _ in range(int(events * OUT_OF_ORDER)):
        place = random.randrange(events - 1)
        messages[place], messages[place + 1] = messages[place + 1], messages[place]
    messages += random.choices(messages, k=int(events * REPEATED))
    return [_render(body, svix_id, secret, port) for body, svix_id in messages]


def send(messages: list[bytes], port: int) -> Result:
    """Send all messages, each connection one after the other, and wait for every answer."""
    statuses: Counter[int] = Counter()
    places = count()
    threads = [threading.Thread(target=_converse, args=(messages, places, port, statuses)) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Result(len(messages) / (time.perf_counter() - started), statuses)


def _messages(events: int, random: Random) -> list[tuple[str, str]]:
    people: list[SampleUser] = []
    now = datetime.now(UTC)
    messages = []
    for number in range(events):
        moment, chance = now + timedelta(milliseconds=number), random.random()
        if chance < CREATED or len(people) < 8:
            people.append(SampleUser.generate(random, updated_at=moment, roles=[random.choice(["BUILDER", "CLIENT"])]))
            event_type, user = "user.created", people[-1]
        elif chance < CREATED + UPDATED:
            place = random.randrange(len(people))
            people[place] = people[place].later(updated_at=moment, first_name=random.choice(samples.NAMES)[0])
            event_type, user = "user.updated", people[place]
        else:
            event_type, user = "user.deleted", people.pop(random.randrange(len(people))).later(updated_at=moment)
        messages.append((samples.encode(samples.user_event(event_type, user)), samples.new_id(random, "msg")))
    return messages


def _render(body: str, svix_id: str, secret: str, port: int) -> bytes:
    content = body.encode()
    headers = signatures.sign(body, secret, svix_id=svix_id) | {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /api/webhooks/clerk HTTP/1.1\r\n{lines}\r\n".encode() + content


def _converse(messages: list[bytes], places: "count[int]", port: int, statuses: Counter[int]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in iter(lambda: next(places), None):
            if place >= len(messages):
                return
            connection.sendall(messages[place])
            statuses[_status(connection)] += 1


def _status(connection: socket.socket) -> int:
    """Read one answer, which says its length, and return its status."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    [length] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split(b" ", 2)[1])
