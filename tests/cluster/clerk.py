"""A read-only Clerk Backend API with the users that result from a list of messages."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults.workload import Message
from tests.helpers import tokens
from tests.helpers.model import RANKS


class ClerkApi:
    """A server for reads of users.

    Attributes:
        writes: method and path of all other requests, which are refused.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.users, self.writes = current_users(messages), list[str]()
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content = api.answer(*self.path.partition("?")[::2])
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def refuse(self) -> None:
                api.writes.append(f"{self.command} {self.path}")
                self.send_error(403)

            def do_POST(self) -> None:
                self.refuse()

            def do_PATCH(self) -> None:
                self.refuse()

            def do_DELETE(self) -> None:
                self.refuse()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str, query: str) -> tuple[int, object]:
        """Return the status and content of a response."""
        if path == "/v1/jwks":
            return 200, tokens.key_set(tokens.KEY.public_key())
        if path == "/v1/users/count":
            return 200, {"object": "total_count", "total_count": len(self.users)}
        if path == "/v1/users":
            return 200, self._page({name: values[0] for name, values in parse_qs(query).items()})
        user = self.users.get(urlsplit(path).path.removeprefix("/v1/users/"))
        return (200, user) if user else (404, {"errors": [{"code": "resource_not_found", "message": "not found"}]})

    def _page(self, query: dict[str, str]) -> list[dict[str, Any]]:
        listed = sorted(self.users.values(), key=lambda user: (user["created_at"], user["id"]))
        ids = [user["id"] for user in listed]
        start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        return listed[start : start + int(query.get("limit", "10"))]


def current_users(messages: Sequence[Message]) -> dict[str, dict[str, Any]]:
    """Return the user objects that Clerk has after all messages, by ID. Each key has its newest value."""
    events = [json.loads(message.body) for message in messages]
    deleted = {event["data"]["id"] for event in events if event["type"] == "user.deleted"}
    changes = [event for event in events if event["data"]["id"] not in deleted]
    users: dict[str, dict[str, Any]] = {}
    for event in sorted(
        changes, key=lambda event: (event["data"]["updated_at"], RANKS[event["type"]], event["timestamp"])
    ):
        user = users.setdefault(event["data"]["id"], {})
        roles = user.get("public_metadata", {}).get("roles", [])
        user |= event["data"]
        user["public_metadata"] = {"roles": roles} | user.get("public_metadata", {})
    return users


@contextmanager
def running_clerk(messages: Sequence[Message]) -> Iterator[ClerkApi]:
    api = ClerkApi(messages)
    Thread(target=api.server.serve_forever, args=(0.02,), daemon=True).start()
    yield api
    api.server.shutdown()
    api.server.server_close()
