"""A pooler that renames prepared statements, as PgBouncer does since 1.21. Debian 12 has an older PgBouncer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: The messages of PostgreSQL's protocol that contain the name of a prepared statement, and the number of strings before
#: the name. https://www.postgresql.org/docs/current/protocol-message-formats.html
PARSE, BIND, DESCRIBE = b"P", b"B", b"D"


@contextmanager
def renaming_pooler(database_url: str) -> Iterator[str]:
    """Yield the URL of a proxy in front of the database that gives each connection a session of its own."""
    target = conninfo_to_dict(database_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, target), daemon=True).start()
        port = listener.getsockname()[1]
        yield make_conninfo(database_url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")


def _accept(listener: socket.socket, target: dict[str, object]) -> None:
    with suppress(OSError):  # the listener is closed at the end
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, target), daemon=True).start()


def _serve(client: socket.socket, target: dict[str, object]) -> None:
    host, port = str(target.get("host") or "127.0.0.1"), target.get("port", 5432)
    server = socket.socket(socket.AF_UNIX if host.startswith("/") else socket.AF_INET)
    server.connect(f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, int(str(port))))
    with client, server:
        threading.Thread(target=_copy, args=(server, client), daemon=True).start()
        requests = client.makefile("rb")
        size = requests.read(4)
        server.sendall(size + requests.read(int.from_bytes(size) - 4))  # the start-up message has no type
        while kind := requests.read(1):
            body = requests.read(int.from_bytes(requests.read(4)) - 4)
            body = _renamed(kind, body)
            server.sendall(kind + (len(body) + 4).to_bytes(4) + body)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


def _renamed(kind: bytes, body: bytes) -> bytes:
    if kind == DESCRIBE and body[:1] == b"S":
        return b"SPGBOUNCER_" + body[1:]
    before, name = b"", body
    if kind == BIND:
        portal, _, name = body.partition(b"\0")
        before = portal + b"\0"
    is_named = kind in (PARSE, BIND) and name[:1] != b"\0"
    return before + b"PGBOUNCER_" + name if is_named else body
