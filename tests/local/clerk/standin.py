"""The stand-in in a separate process, and an endpoint for its webhooks."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from svix.webhooks import Webhook

from tests.cluster.edge import CERTIFICATE, write_certificate

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgc3RhbmQtaW4="
INSTANCE_ID = "ins_2testtesttesttesttesttestte"
#: Factor for all delays. It shortens the full retry schedule from 27.6 hours to about one second.
TIME_SCALE = 0.00001
ROOT = Path(__file__).resolve().parents[3]


def wait_until(condition: Callable[[], object], message: str, timeout_s: float = 8) -> None:
    """Poll `condition`, and fail with `message` after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


@dataclass(frozen=True)
class Delivery:
    """A request to the endpoint with a valid signature."""

    at: float
    headers: dict[str, str]
    event: dict[str, Any]

    @property
    def user_id(self) -> str:
        return str(self.event["data"]["id"])


class Endpoint:
    """Receives webhooks on its own port, verifies them with Svix's library, and responds with `status`."""

    def __init__(self) -> None:
        self.status, self.pause_s = 200, 0.0
        self.deliveries: list[Delivery] = []
        self.signature_errors: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads, self.server.block_on_close = True, False
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/api/webhooks/clerk"

    def deliveries_about(self, user: dict[str, Any]) -> list[Delivery]:
        """Return the deliveries about a user or a session, oldest first."""
        return [delivery for delivery in list(self.deliveries) if delivery.user_id == user["id"]]

    def wait_for(self, user: dict[str, Any], count: int = 1) -> list[Delivery]:
        wait_until(
            lambda: len(self.deliveries_about(user)) >= count,
            f"{len(self.deliveries_about(user))} of {count} deliveries arrived",
        )
        return self.deliveries_about(user)

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        at = time.time()
        try:
            Webhook(SECRET).verify(body, headers)
        except Exception as error:  # noqa: BLE001  # an exception in this thread would not fail the test
            self.signature_errors.append(repr(error))
            return 400
        self.deliveries.append(Delivery(at, headers, json.loads(body)))
        time.sleep(self.pause_s)
        return self.status

    def use_tls(self, folder: Path) -> ssl.SSLContext:
        """Serve TLS from now on, with a new certificate in `folder` for the host names of `make cluster`."""
        write_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / CERTIFICATE, folder / "privkey.pem")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        return context

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = endpoint.receive({name.lower(): value for name, value in self.headers.items()}, body)
                try:
                    self.send_response(status)
                    self.send_header("location", "/elsewhere")
                    self.end_headers()
                    self.wfile.write(b'{"outcome": "of the endpoint"}')
                except OSError:
                    pass  # the stand-in was killed in the meantime

            def log_message(self, *args: object) -> None:
                pass

        return Handler


class StandIn:
    """`python -m local.clerk` on a free port, with its own folder."""

    def __init__(self, folder: Path, webhook_url: str, **environ: str) -> None:
        self.port, self.log = free_port(), folder / "localclerk.log"
        self.environ = {
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "only for tests, not a secret, and long enough for Django",
            "DATA_DIR": str(folder),
            "CLERK_WEBHOOK_SECRET": f"{SECRET},whsec_YW5vdGhlciBvbmU=",
            "CLERK_INSTANCE_ID": INSTANCE_ID,
            "LOCALCLERK_PORT": str(self.port),
            "LOCALCLERK_APP_URL": "http://bw.localhost:8000",
            "LOCALCLERK_WEBHOOK_URL": webhook_url,
            "LOCALCLERK_TIME_SCALE": str(TIME_SCALE),
        } | environ
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        """Kill the process if it is still running."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "local.clerk"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=output, stderr=output)
        try:
            wait_until(lambda: self.process.poll() is not None or self._responds(), "the stand-in did not start")
            assert self.process.poll() is None, self.log.read_text()
        except AssertionError:
            self.__exit__()
            raise

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal, and return the seconds until the process exited."""
        started = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        return time.monotonic() - started

    def request(
        self, method: str, path: str, body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def call(self, method: str, path: str, data: object = None) -> tuple[int, Any]:
        """Call the JSON API. A string is sent unchanged."""
        body = data if isinstance(data, str) or data is None else json.dumps(data)
        status, _, text = self.request(method, path, body, {"Content-Type": "application/json"})
        return status, json.loads(text)

    def create(self, **data: Any) -> dict[str, Any]:
        status, user = self.call("POST", "/local/users", data)
        assert status == 201, user
        return dict(user)

    def messages(self, user: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the deliveries about a user from the control API, newest first."""
        return [message for message in self.call("GET", "/local/deliveries")[1] if message["user_id"] == user["id"]]

    def wait_for_state(self, user: dict[str, Any], state: str) -> dict[str, Any]:
        """Wait until the newest message about `user` is in `state`, and return the message."""
        wait_until(lambda: self.messages(user)[0]["state"] == state, f"the message did not become {state}")
        return self.messages(user)[0]

    def _responds(self) -> bool:
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False


class Browser:
    """Keeps cookies, and posts forms with the CSRF token of their page."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in, self.cookies = stand_in, SimpleCookie()

    def get(self, path: str) -> str:
        status, page = self._send("GET", path)
        assert status == 200, f"{path} returned {status}"
        return page

    def post(self, path: str, fields: dict[str, Any], page: str) -> tuple[int, str]:
        """Post a form on the page at `page`, and follow a redirect. Return the first status and the last page."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page))
        assert token, f"{page} has no form"
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1]}, doseq=True)
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, response_headers, text = self.stand_in.request(method, path, body, headers)
        for cookie in response_headers.get_all("Set-Cookie", []):
            self.cookies.load(cookie)
        return (status, self.get(response_headers["Location"])) if status == 302 else (status, text)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
