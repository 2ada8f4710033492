"""A minimal SMTP server that accepts all messages, or rejects all recipients."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


class _Session(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        self._answer("220 ready")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self._answer("354 go on")
                self.server.received.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            if command == b"RCPT" and self.server.refusal:
                self._answer(self.server.refusal)
                continue
            self._answer("221 bye" if command == b"QUIT" else "250 ok")

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, port: int, refusal: str) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.received: list[bytes] = []
        self.refusal = refusal


@contextmanager
def mail_server(port: int, *, refusal: str = "") -> Iterator[list[bytes]]:
    """Run the server, and yield the list of received messages.

    Args:
        refusal: the answer to every recipient, such as "550 5.1.1 No such user".
    """
    with _Server(port, refusal) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.received
        server.shutdown()
