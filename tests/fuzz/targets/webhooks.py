"""Deliveries to the webhook endpoint, with and without a valid signature."""

import base64
import hashlib
import hmac
import time
from random import Random
from typing import Any

from accounts.clerk import samples
from accounts.clerk.samples import SampleUser
from tests.fuzz import mutations
from tests.fuzz.requests import Request
from tests.fuzz.world import World
from tests.helpers.webhooks import URL
from tests.settings import NEXT_SECRET, SECRET

#: Few users and IDs, so that many events are about existing users, and some are duplicates.
USERS, REPEATED_IDS = 200, 500


def signed_delivery(random: Random, world: World) -> Request:
    """Return a delivery with a mutated payload and a valid signature."""
    body = mutations.encode(random, _mutated_event(random))
    if random.random() < 0.05:
        body = mutations.data(random, body)
    svix_id = _svix_id(random)
    headers = _signature_headers(body, svix_id, random.choice((SECRET, NEXT_SECRET)), int(time.time()))
    return Request("POST", URL, headers=headers, body=body, keeps_changes=True)


def forged_delivery(random: Random, world: World) -> Request:
    """Return a delivery whose headers, body, method or signature have been changed."""
    body = mutations.encode(random, _event(random))
    headers = _signature_headers(body, _svix_id(random), SECRET, int(time.time()))
    for _ in range(random.choice((1, 1, 2, 4))):
        name = random.choice((*headers, "svix-signature", "x-forwarded-for", "content-length", "expect"))
        if random.random() < 0.2:
            headers.pop(name, None)
        elif name == "content-length":  # servers accept only digits
            headers[name] = str(random.choice((0, 1, len(body) // 2, len(body) + 10)))
        else:
            headers[name] = mutations.text(random, headers.get(name, ""))[:8000]
    if random.random() < 0.3:
        body = mutations.data(random, body)
    method = random.choice(("POST",) * 20 + ("GET", "PUT", "OPTIONS", "HEAD", "PATCH", "TRACE"))
    return Request(method, URL + random.choice(("", "", "", "/")), headers=headers, body=body, keeps_changes=True)


def _mutated_event(random: Random) -> Any:
    event = _event(random)
    return event if random.random() < 0.15 else mutations.json_value(random, event)


def _event(random: Random) -> dict[str, Any]:
    match random.randrange(4):
        case 0:
            return random.choice(random.choice(list(samples.examples().values())))
        case 1 if samples.captured():
            return random.choice(samples.captured())
    user = SampleUser.generate(Random(random.randrange(USERS)), roles=[random.choice(("BUILDER", "CLIENT", "ADMIN"))])
    event_type = random.choice(("user.created", "user.updated", "user.updated", "user.deleted"))
    return samples.user_event(event_type, user.with_changes(first_name=random.choice(samples.NAMES)[0]))


def _svix_id(random: Random) -> str:
    match random.randrange(10):
        case 0:
            return f"msg_repeated{random.randrange(REPEATED_IDS)}"
        case 1:
            return mutations.text(random, "msg_2" + "a" * 26)[:400]
    return samples.new_id(random, "msg")


def _signature_headers(body: bytes, svix_id: str, secret: str, timestamp: int) -> dict[str, str]:
    """Sign arbitrary bytes. The application's function signs only text."""
    content = f"{svix_id}.{timestamp}.".encode("utf-8", "surrogatepass") + body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "user-agent": "Svix-Webhooks/1.60",
        "svix-id": svix_id,
        "svix-timestamp": str(timestamp),
        "svix-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
