"""A local HTTP server that receives alert notifications."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Receiver:
    """Stores the messages posted by Apprise's `json://` channel."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/"

    @property
    def titles(self) -> list[str]:
        return [str(message["title"]) for message in self.messages]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
