"""The stand-in as a process of its own, and an endpoint that its webhooks are delivered to."""

import http.client
import json
import os
import re
import signal
import socket
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

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgc3RhbmQtaW4="
INSTANCE_ID = "ins_2testtesttesttesttesttestte"
#: Makes the 27.6 hours of the whole ladder about one second.
TIME_SCALE = 0.00001
ROOT = Path(__file__).resolve().parents[3]


def wait_until(happened: Callable[[], object], complaint: str, patience_s: float = 8) -> None:
    """Ask again and again, for things in another process that nobody announces."""
    until = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < until, complaint
        time.sleep(0.01)


@dataclass(frozen=True)
class Delivery:
    """One request at the endpoint, after its signature was found right."""

    at: float
    headers: dict[str, str]
    event: dict[str, Any]

    @property
    def user_id(self) -> str:
        return str(self.event["data"]["id"])


class Endpoint:
    """Receives webhooks on a port of its own, checks each with Svix's library, and answers `status`."""

    def __init__(self) -> None:
        self.status, self.pause_s = 200, 0.0
        self.deliveries: list[Delivery] = []
        self.refused: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads, self.server.block_on_close = True, False
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/api/webhooks/clerk"

    def of(self, user: dict[str, Any]) -> list[Delivery]:
        """Return what came about one user, in the order it came."""
        return [delivery for delivery in list(self.deliveries) if delivery.user_id == user["id"]]

    def wait_for(self, user: dict[str, Any], count: int = 1) -> list[Delivery]:
        wait_until(lambda: len(self.of(user)) >= count, f"{len(self.of(user))} of {count} deliveries came")
        return self.of(user)

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        at = time.time()
        try:
            Webhook(SECRET).verify(body, headers)
        except Exception as error:  # noqa: BLE001  # a failure in this thread would be noticed by nobody
            self.refused.append(repr(error))
            return 400
        self.deliveries.append(Delivery(at, headers, json.loads(body)))
        time.sleep(self.pause_s)
        return self.status

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
                    pass  # the stand-in was killed meanwhile

            def log_message(self, *args: object) -> None:
                pass

        return Handler


class StandIn:
    """`python -m local.clerk` on a free port, with a folder of its own."""

    def __init__(self, folder: Path, webhook_url: str, **environ: str) -> None:
        self.port, self.log = free_port(), folder / "localclerk.log"
        self.environ = {
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "only for tests, so anybody may read it, and long enough for Django",
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
        """Leave nothing running, also when a test fails halfway."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "local.clerk"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdout=output, stderr=output)
        try:
            wait_until(lambda: self.process.poll() is not None or self._answers(), "the stand-in did not start")
            assert self.process.poll() is None, self.log.read_text()
        except AssertionError:
            self.__exit__()
            raise

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and return the seconds it took to end."""
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

    def call(self, method: str, path: str, facts: object = None) -> tuple[int, Any]:
        """Use the JSON API; facts that are text already are sent as they are."""
        body = facts if isinstance(facts, str) or facts is None else json.dumps(facts)
        status, _, text = self.request(method, path, body, {"Content-Type": "application/json"})
        return status, json.loads(text)

    def create(self, **facts: Any) -> dict[str, Any]:
        status, user = self.call("POST", "/local/users", facts)
        assert status == 201, user
        return dict(user)

    def messages(self, user: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the log's entries about one user, newest first."""
        return [message for message in self.call("GET", "/local/deliveries")[1] if message["user_id"] == user["id"]]

    def wait_for_state(self, user: dict[str, Any], state: str) -> dict[str, Any]:
        """Return the newest message about `user` once it is in `state`."""
        wait_until(lambda: self.messages(user)[0]["state"] == state, f"the message did not become {state}")
        return self.messages(user)[0]

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False


class Browser:
    """Keeps cookies, and posts forms with the token of the page they are on."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in, self.cookies = stand_in, SimpleCookie()

    def get(self, path: str) -> str:
        status, page = self._send("GET", path)
        assert status == 200, f"{path} answered {status}"
        return page

    def post(self, path: str, fields: dict[str, Any], page: str) -> tuple[int, str]:
        """Post a form of the page at `page`; follow the redirect after it. Returns the status before, and the page."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page))
        assert token, f"{page} has no form"
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1]}, doseq=True)
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        headers = {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, answered, text = self.stand_in.request(method, path, body, headers)
        for cookie in answered.get_all("Set-Cookie", []):
            self.cookies.load(cookie)
        return (status, self.get(answered["Location"])) if status == 302 else (status, text)


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
