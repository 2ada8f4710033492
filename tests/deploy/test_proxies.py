"""The proxy configurations in deploy/ work with the application as it is configured in production."""

import http.client
import re
import shlex
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from tests.config.test_startup import ENVIRONMENT
from tests.deploy.pages import FOLDER, lines
from tests.helpers.servers import proxies
from tests.helpers.servers.processes import WITHOUT_ALERT_THREAD, free_port, gunicorn
from tests.helpers.servers.proxies import HOST, Proxy

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[[Path, list[str]], AbstractContextManager[Proxy]]


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[str]:
    """A web host with the settings of a deployment."""
    folder = tmp_path_factory.mktemp("web host")
    environment = ENVIRONMENT | {
        "DJANGO_SETTINGS_MODULE": "tests.deploy.settings",
        "MEDIA_ROOT": str(folder),
        "BIND": f"127.0.0.1:{(port := free_port())}",
        "PORT": str(port),
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "INFO",
    }
    del environment["DATABASE_URL"]
    log = folder / "gunicorn.log"
    with gunicorn(database_url, log, workers=1, configuration=WITHOUT_ALERT_THREAD, **environment):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module", params=(proxies.nginx, proxies.caddy), ids=("nginx", "caddy"))
def proxy(request: Any, tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Proxy]:
    start: Start = request.param
    with start(tmp_path_factory.mktemp("proxy"), [upstream]) as running:
        yield running


class ToLoopback(http.client.HTTPSConnection):
    """A connection to 127.0.0.1 that asks for the host name of the site."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__("127.0.0.1", proxy.https_port, timeout=30)
        self.proxy = proxy

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.proxy.https_port), timeout=30)
        self.sock = self.proxy.context.wrap_socket(plain, server_hostname=HOST)


def send(proxy: Proxy, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = ToLoopback(proxy)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, {"Host": HOST} | names)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    main = proxies.write_nginx(tmp_path, ["127.0.0.1:8000", "127.0.0.1:8001"], (free_port(), free_port()))
    done = subprocess.run(
        proxies.nginx_command(tmp_path, main, "-t"), capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_page_is_served_without_a_redirect_loop(proxy: Proxy) -> None:
    status, headers, body = send(proxy, "GET", "/builders/")
    assert status == 200
    assert b"<html" in body
    assert "strict-transport-security" in headers


def test_webhook_without_signature_reaches_the_application(proxy: Proxy) -> None:
    status, _, body = send(proxy, "POST", "/api/webhooks/clerk", b"{}", Content_Type="application/json")
    assert (status, body) == (400, b'{"error": "missing_headers"}')


def test_commands_of_the_page_show_what_it_promises(proxy: Proxy, tmp_path: Path) -> None:
    ports = ((80, proxy.http_port), (443, proxy.https_port))
    to_proxy = [word for port, own in ports for word in ("--connect-to", f":{port}:127.0.0.1:{own}")]
    certificates = tmp_path / "certificates.pem"
    certificates.write_text("".join(map(ssl.DER_cert_to_PEM_cert, proxy.context.get_ca_certs(binary_form=True))))
    first, second, third = (
        subprocess.run(
            [*shlex.split(line), *to_proxy, "--noproxy", "*", "--cacert", str(certificates)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for line in lines(FOLDER / "proxy.md")
        if line.startswith("curl ")
    )
    assert re.match(r"HTTP/\S+ 30[18]\b", first)
    assert re.search(r"^location: https://profiles\.example\.com/\s*$", first, re.MULTILINE | re.IGNORECASE)
    assert re.match(r"HTTP/\S+ 200\b", second)
    assert third == '{"error": "missing_headers"}'


def test_rolling_restart_waits_until_the_web_host_is_ready(upstream: str) -> None:
    [line] = [line for line in lines(FOLDER / "many_hosts.md") if line.startswith("until ")]
    command = ["/bin/sh", "-c", line.replace("127.0.0.1:8000", upstream)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    stopped = ["timeout", "3", "/bin/sh", "-c", line.replace("127.0.0.1:8000", f"127.0.0.1:{free_port()}")]
    assert subprocess.run(stopped, check=False, timeout=60).returncode == 124  # it still waits


def test_large_upload_reaches_the_form_and_larger_bodies_do_not(proxy: Proxy) -> None:
    assert send(proxy, "POST", "/sign-in/", b"x" * 9_000_000)[0] == 403  # the form without its CSRF token
    # Caddy answers 502 if it has already connected to a web host when it notices the size.
    assert send(proxy, "POST", "/sign-in/", b"x" * 34_000_000)[0] in (413, 502)


def test_probes_and_metrics_are_not_public(proxy: Proxy) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        status, headers, _ = send(proxy, "GET", path, X_Forwarded_For="127.0.0.1")
        # nginx allows its own host, which this test uses.
        assert status == 404 or headers["server"] == "nginx", path


def test_client_cannot_forge_the_trusted_headers(proxy: Proxy) -> None:
    forged = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Proto": "http", "Forwarded": "for=203.0.113.9"}
    status, _, _ = send(proxy, "GET", "/builders/", b"", **forged)
    assert status == 200  # with the forged scheme, the application would redirect


def test_plain_http_is_redirected(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http_port, timeout=30)
    with closing(connection):
        connection.request("GET", "/builders/?q=a", headers={"Host": HOST})
        response = connection.getresponse()
        response.read()
    assert response.status in (301, 308)
    assert response.headers["Location"].startswith(f"https://{HOST}")
