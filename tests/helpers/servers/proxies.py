"""nginx and Caddy with the configurations from deploy/, in front of web hosts on this machine."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.environment import BASE_DIR
from tests.helpers.servers.processes import TIMEOUT_S, free_port, wait_until

#: The host name in the configurations. It is only a name here: clients connect to 127.0.0.1.
HOST = "profiles.example.com"
NGINX_SITE = BASE_DIR / "deploy" / "nginx" / "buildappswith.conf"
CADDYFILE = BASE_DIR / "deploy" / "caddy" / "Caddyfile"
#: Debian installs nginx in a folder that is only in root's PATH.
SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
NGINX_MAIN = """
{user}
daemon off;
pid nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy. `context` trusts its certificate."""

    http_port: int
    https_port: int
    context: ssl.SSLContext


def binary(name: str) -> str:
    """Return the path of a program, or skip the test if the program is not installed."""
    found = shutil.which(name, path=SEARCH_PATH)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {name}).")
    return found


def certificate(folder: Path, host: str = HOST) -> tuple[Path, Path]:
    """Create a self-signed certificate, and return the paths of the certificate and its key."""
    chain, key = folder / "fullchain.pem", folder / "privkey.pem"
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    command = [binary("openssl"), "req", *options, *names, "-out", str(chain), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return chain, key


def write_nginx(folder: Path, upstreams: list[str], ports: tuple[int, int], host: str = HOST) -> Path:
    """Write the site's configuration with other ports, paths and web hosts, and return the main file."""
    chain, key = certificate(folder, host)
    text = NGINX_SITE.read_text().replace("profiles.example.com", host)
    text = re.sub(r"listen 80\b", f"listen 127.0.0.1:{ports[0]}", text)
    text = re.sub(r"listen 443\b", f"listen 127.0.0.1:{ports[1]}", text)
    text = re.sub(r"/etc/ssl/buildappswith/fullchain\.pem", str(chain), text)
    text = re.sub(r"/etc/ssl/buildappswith/privkey\.pem", str(key), text)
    servers = "".join(f"server {upstream} max_fails=1 fail_timeout=5s;\n" for upstream in upstreams)
    text = re.sub(r"server 127\.0\.0\.1:8000 [^\n]*\n", servers, text)
    (folder / "site.conf").write_text(text)
    main = folder / "nginx.conf"
    main.write_text(NGINX_MAIN.format(user="user root;" if os.geteuid() == 0 else ""))
    return main


def nginx_command(folder: Path, main: Path, *options: str) -> list[str]:
    return [binary("nginx"), "-p", str(folder), "-c", str(main), "-e", "stderr", *options]


@contextmanager
def nginx(folder: Path, upstreams: list[str], host: str = HOST) -> Iterator[Proxy]:
    """Run nginx until the block ends.

    Args:
        upstreams: addresses of the web hosts, such as 127.0.0.1:8000.
    """
    folder.mkdir(exist_ok=True)
    ports = free_port(), free_port()
    command = nginx_command(folder, write_nginx(folder, upstreams, ports, host))
    with _running(command, folder / "nginx.log", {}, ports[1]):
        yield Proxy(*ports, ssl.create_default_context(cafile=folder / "fullchain.pem"))


def write_caddyfile(folder: Path, ports: tuple[int, int], *, buffer_option: str) -> Path:
    """Write the Caddyfile with other ports and a local certificate, and return its path.

    Args:
        buffer_option: `request_buffers 32MB`, or `buffer_requests` for Caddy 2.6, which Debian 12 and 13 have.
    """
    chain, key = certificate(folder)
    text = CADDYFILE.read_text().replace("request_buffers 32MB", buffer_option)
    options = f"{{\n\tadmin off\n\thttp_port {ports[0]}\n\thttps_port {ports[1]}\n"
    text = text.replace("{\n\t# Slow clients", options + "\t# Slow clients", 1)
    text = text.replace("com} {\n", f"com}} {{\n\tbind 127.0.0.1\n\ttls {chain} {key}\n", 1)
    path = folder / "Caddyfile"
    path.write_text(text)
    return path


@contextmanager
def caddy(folder: Path, upstreams: list[str]) -> Iterator[Proxy]:
    """Run Caddy until the block ends."""
    folder.mkdir(exist_ok=True)
    ports = free_port(), free_port()
    path = write_caddyfile(folder, ports, buffer_option=caddy_buffer_option())
    environment = {
        "SITE_URL": f"https://{HOST}",
        "WEB_HOSTS": " ".join(upstreams),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    command = [binary("caddy"), "run", "--config", str(path), "--adapter", "caddyfile"]
    with _running(command, folder / "caddy.log", environment, ports[1]):
        yield Proxy(*ports, ssl.create_default_context(cafile=folder / "fullchain.pem"))


def caddy_buffer_option() -> str:
    """Return the option of the installed Caddy that buffers requests."""
    shown = subprocess.run([binary("caddy"), "version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.findall(r"\d+", shown)[:2]
    return "request_buffers 32MB" if (int(major), int(minor)) >= (2, 7) else "buffer_requests"


@contextmanager
def _running(command: list[str], log: Path, environ: dict[str, str], port: int) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | environ, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or _accepts(port), f"The proxy did not start, see {log}")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
