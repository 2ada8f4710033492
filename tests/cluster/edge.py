"""nginx with TLS, configured by deploy/nginx, and connections to it."""

import http.client
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from config.environment import BASE_DIR
from tests.helpers.tokens import new_key

#: Host names of the site and of the stand-in for Clerk. Browsers resolve *.localhost to this machine.
HOST, CLERK_HOST = "cluster.localhost", "clerk.cluster.localhost"
SITE = BASE_DIR / "deploy" / "nginx" / "buildappswith.conf"
CERTIFICATE = "fullchain.pem"
LOOPBACK = IPv4Address("127.0.0.1")
TIMEOUT_S = 15
MAIN = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.txt;
events {{ worker_connections 512; }}
http {{
    access_log {folder}/nginx-access.txt;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    include {folder}/site.conf;
}}
"""
#: The stand-in has its own host name, and also its own port, because web hosts and workers use 127.0.0.1 instead of the name.
#: Its handshakes contain tokens in headers.
CLERK_SITE = """
server {{
    listen 127.0.0.1:{https_port} ssl http2;
    server_name {host};
    ssl_certificate {folder}/fullchain.pem;
    ssl_certificate_key {folder}/privkey.pem;
    large_client_header_buffers 8 16k;
    proxy_buffers 8 16k;
    proxy_buffer_size 16k;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    location / {{ proxy_pass http://127.0.0.1:{clerk_port}; }}
}}
"""


def write_certificate(folder: Path) -> None:
    """Write a self-signed certificate for both host names and for 127.0.0.1."""
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName(CLERK_HOST), x509.IPAddress(LOOPBACK)])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (folder / CERTIFICATE).write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "privkey.pem").write_bytes(private)


def write_configuration(
    folder: Path, http_port: int, https_port: int, web_ports: Sequence[int], clerk_port: int = 0
) -> Path:
    """Write nginx's configuration: the file in deploy/nginx with the addresses of this machine.

    Args:
        clerk_port: the port of the stand-in for Clerk, or 0 if there is none.
    """
    servers = [f"server 127.0.0.1:{port} max_fails=1 fail_timeout=5s;" for port in web_ports]
    text = re.sub(r"server 127\.0\.0\.1:8000 [^;]*;", "\n    ".join(servers), SITE.read_text())
    text = re.sub(r"listen 80\b", f"listen 127.0.0.1:{http_port}", text)
    text = re.sub(r"listen 443\b", f"listen 127.0.0.1:{https_port}", text)
    text = text.replace("profiles.example.com", HOST).replace("/etc/ssl/buildappswith", str(folder))
    if clerk_port:
        ports = {"https_port": clerk_https_port(clerk_port), "clerk_port": clerk_port}
        text += CLERK_SITE.format(folder=folder, host=CLERK_HOST, **ports)
    (folder / "site.conf").write_text(text)
    path = folder / "nginx.conf"
    path.write_text(MAIN.format(folder=folder))
    return path


def clerk_https_port(clerk_port: int) -> int:
    """Return the stand-in's port with TLS. `free_port` has returned the port without TLS, and the next one is also free."""
    return clerk_port + 1


class Edge:
    """Connections to the site through nginx."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._context = ssl.create_default_context(cafile=folder / CERTIFICATE)

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=TIMEOUT_S, context=self._context)
        # Python does not resolve *.localhost.
        internals: Any = connection
        internals._create_connection = self._open
        return connection

    def status(self, path: str) -> int:
        """Return the status of a page, over a new connection."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _open(self, address: tuple[str, int], timeout: float, *args: Any) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)
