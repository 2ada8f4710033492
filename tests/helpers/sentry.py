"""A fake Sentry server, which records all posted envelopes."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Recorded requests.

    Attributes:
        bodies: uncompressed request bodies.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.bodies: list[str] = []

    def items(self) -> list[dict[str, Any]]:
        """Return the items of the envelopes, without the headers."""
        return [json.loads(body.splitlines()[2]) for body in self.bodies]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a fake Sentry server on a free local port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_compressed = self.headers.get("Content-Encoding") == "gzip"
            received.bodies.append((gzip.decompress(body) if is_compressed else body).decode())
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
