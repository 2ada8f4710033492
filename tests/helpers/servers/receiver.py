"""A local HTTP server that receives alert notifications."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any


class Receiver:
    """Stores the messages posted by Apprise's `json://` channel.

    Attributes:
        status: the status of every answer.
        paths: the path and query of every request.
        answering: cleared by tests to delay every answer until it is set again.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        self.answering = Event()
        self.answering.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.paths.append(self.path)
                receiver.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                receiver.answering.wait(20)
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b'{"requestId": "1"}')

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return f"json://{self.address}/"

    @property
    def titles(self) -> list[str]:
        return [str(message["title"]) for message in self.messages]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True).start()
    yield receiver
    receiver.answering.set()
    receiver.server.shutdown()
    receiver.server.server_close()
