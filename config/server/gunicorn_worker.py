"""A gunicorn worker whose threads do not wait for slow clients.

gunicorn's threaded worker reads a request in the thread that handles it, so a few slow clients can block all threads.
Here, the worker's event loop collects each request and passes it to a thread when it is complete.
"""

import contextlib
import socket
import struct
import time
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn import http
from gunicorn.workers.gthread import TConn, ThreadWorker

from config.server.request_buffer import RefusedRequest, RequestBuffer
from core.call_stack import with_large_stack

#: Maximum time in seconds to receive a request's head.
HEAD_TIMEOUT_S = 10
#: Maximum time in seconds to receive a request's body, and the minimum rate in bytes per second for longer bodies.
BODY_TIMEOUT_S, MIN_BODY_RATE = 10, 8 * 1024
#: Time in seconds after which the connection is closed if the client does not read the response.
SEND_TIMEOUT_S = 20
RECEIVE_BYTES = 64 * 1024


class BufferedConnection(TConn):
    """A connection and the request being received on it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.initialized = True  # Plain HTTP/1.1 that is read from the buffer instead of the socket.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_TIMEOUT_S, 0))
        self.buffer = RequestBuffer()

    def next_request(self) -> None:
        """Start the next request from the bytes already received."""
        rest = self.buffer.rest
        self.buffer.close()
        self.buffer = RequestBuffer()
        self.feed(rest)

    def feed(self, data: bytes) -> None:
        """Process received bytes, and set the deadline for the rest of the request."""
        had_head = bool(self.buffer.head)
        self.buffer.feed(data)
        if self.buffer.head and not had_head:
            self.timeout = time.monotonic() + BODY_TIMEOUT_S + (self.buffer.announced_bytes or 0) / MIN_BODY_RATE
            if self.buffer.expects_continue:
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def refuse(self, status: str) -> None:
        """Send as much of the response as the socket accepts. The connection is closed afterwards."""
        with contextlib.suppress(OSError):
            self.sock.send(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

    def close(self, *args: Any, **kwargs: Any) -> None:
        self.buffer.close()
        super().close(*args, **kwargs)


class BufferingWorker(ThreadWorker):
    """A worker that collects requests in the event loop and handles them in threads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.receiving: set[BufferedConnection] = set()

    def accept(self, listener: Any) -> None:
        """Accept a connection and wait for its first request without using a thread."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        self.receive(BufferedConnection(self.cfg, sock, address, listener.getsockname()))

    def receive(self, conn: BufferedConnection) -> None:
        """Collect a connection's next request."""
        conn.sock.settimeout(0)
        if not conn.buffer.head:
            conn.timeout = time.monotonic() + HEAD_TIMEOUT_S
        self.on_data(conn)

    def on_data(self, conn: BufferedConnection, _socket: Any = None) -> None:
        """Read the received bytes, and pass a complete request to a thread."""
        try:
            data = conn.sock.recv(RECEIVE_BYTES)
            if not data:
                return self.forget(conn)
            conn.feed(data)
        except BlockingIOError:
            pass  # nothing yet
        except OSError:
            return self.forget(conn)
        except RefusedRequest as refused:
            return self.forget(conn, refused.status)
        if conn.buffer.is_complete:
            self.stop_receiving(conn)
            conn.parser = http.get_parser(self.cfg, conn.buffer.pieces(), conn.client)
            self.enqueue_req(conn)
        elif conn not in self.receiving:
            self.receiving.add(conn)
            self.poller.register(conn.sock, EVENT_READ, partial(self.on_data, conn))
        return None

    @with_large_stack
    def handle(self, conn: BufferedConnection) -> Any:
        """Handle a request in a thread."""
        return super().handle(conn)

    def finish_request(self, conn: BufferedConnection, future: Any) -> None:
        """Keep or close the connection as gunicorn does.

        If another request is already waiting, collect it immediately.
        """
        super().finish_request(conn, future)
        if conn.buffer.rest and conn in self.keepalived_conns:
            self.on_client_socket_readable(conn, conn.sock)

    def on_client_socket_readable(self, conn: BufferedConnection, client: Any) -> None:
        """Collect the next request on a keep-alive connection."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        try:
            conn.next_request()
        except RefusedRequest as refused:
            return self.forget(conn, refused.status)
        return self.receive(conn)

    def murder_pending(self) -> None:
        """Close connections whose requests exceed the deadline. gunicorn calls this method once a second."""
        now = time.monotonic()
        for conn in list(self.receiving):
            if conn.timeout < now:
                self.forget(conn, "408 Request Timeout" if conn.buffer.has_started else "")
            elif not self.alive and not conn.buffer.has_started:
                self.forget(conn)

    def stop_receiving(self, conn: BufferedConnection) -> None:
        if conn in self.receiving:
            self.receiving.remove(conn)
            self.poller.unregister(conn.sock)

    def forget(self, conn: BufferedConnection, status: str = "") -> None:
        """Close a connection whose request does not reach the application."""
        self.stop_receiving(conn)
        if status:
            conn.refuse(status)
        self.nr_conns -= 1
        conn.close()
