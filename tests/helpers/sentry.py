"""A stand-in for Sentry, which takes whatever is posted to it over HTTP."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """What came so far.

    Attributes:
        bodies: of each request, unpacked.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.bodies: list[str] = []

    def items(self) -> list[dict[str, Any]]:
        """Return what Sentry's envelopes hold: their items, without the headers."""
        return [json.loads(body.splitlines()[2]) for body in self.bodies]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listen on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            received.bodies.append((gzip.decompress(body) if packed else body).decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Receiver(server.server_port)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield received
        server.shutdown()
