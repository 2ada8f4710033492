"""A minimal SMTP server that accepts every message."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._answer("220 ready")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self._answer("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
            self._answer("221 bye" if command == b"QUIT" else "250 ok")

    def _answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


@contextmanager
def mail_server(port: int) -> Iterator[None]:
    with _Server(("127.0.0.1", port), _Session) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()
