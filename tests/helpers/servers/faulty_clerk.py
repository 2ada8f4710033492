"""A proxy for the Clerk stand-in that simulates failures."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.local.clerk.standin import StandIn

#: Longer than any request timeout of the product.
SLOW_S = 12.0
STATUS = {"unavailable": 503, "refusing": 401}
FORWARDED = ("authorization", "content-type", "clerk-api-version")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """Ignore clients that disconnect early, such as port checks."""


class FaultyClerk:
    """Attributes:
    mode: "ok", "unavailable" (503), "refusing" (401 for every key) or "slow".
    """

    def __init__(self, stand_in: StandIn) -> None:
        self.mode = "ok"
        clerk = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                is_frontend = self.path.startswith("/v1/client")
                if clerk.mode == "slow" and not is_frontend:
                    time.sleep(SLOW_S)
                status, text = STATUS.get(clerk.mode, 200), "{}"
                if status == 200 and not is_frontend:
                    headers = {name: value for name, value in self.headers.items() if name.lower() in FORWARDED}
                    status, _, text = stand_in.request(self.command, self.path, body, headers)
                self.respond(status, text.encode())

            def respond(self, status: int, content: bytes) -> None:
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the client timed out

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815  # the names of the base class

            def log_message(self, *args: Any) -> None:
                pass

        self.server = _Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def faulty_clerk(stand_in: StandIn) -> Iterator[FaultyClerk]:
    clerk = FaultyClerk(stand_in)
    Thread(target=clerk.server.serve_forever, args=(0.05,), daemon=True).start()
    yield clerk
    clerk.server.shutdown()
    clerk.server.server_close()
