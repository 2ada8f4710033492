"""Requests in the form in which a server passes them to the application."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from random import Random
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

from tests.fuzz import mutations
from tests.helpers.clients import HTMX, PAGE

FORM = "application/x-www-form-urlencoded"
#: Gunicorn rejects requests with these characters in a header.
FORBIDDEN_IN_HEADERS = dict.fromkeys((0, 10, 13))
BOUNDARY = "----fuzz"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request that can be converted to a WSGI environment.

    Attributes:
        path: percent-encoded, without the query.
        keeps_changes: the request runs in its own transactions, and its changes are kept. Otherwise all changes are
            rolled back, so that every request starts with the same users and profiles.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    keeps_changes: bool = False

    def environ(self) -> dict[str, Any]:
        headers = {_name(name): _header_value(value) for name, value in self.headers.items()}
        return {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(self.path.encode("utf-8", "surrogatepass")).decode("latin-1"),
            "QUERY_STRING": _header_value(self.query),
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "testserver",
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(self.body),
            "wsgi.errors": StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            **headers,
        }

    def __str__(self) -> str:
        url = f"{self.path}?{self.query}" if self.query else self.path
        return f"{self.method} {url[:300]!r}\n{dict(self.headers)!r:.1500}\n{self.body!r:.1500}"


def _name(header: str) -> str:
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_ADDR") else f"HTTP_{name}"


def _header_value(text: str) -> str:
    """Decode the text's UTF-8 bytes as Latin-1, as a WSGI server does."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1").translate(FORBIDDEN_IN_HEADERS)


def browser_headers(random: Random) -> dict[str, str]:
    """Return the headers of a browser that loads a page, of htmx, or of neither."""
    return dict(random.choice((PAGE, PAGE, HTMX, {})))


def query_string(random: Random, valid: dict[str, str]) -> str:
    """Return a mutated query string: percent-encoded, with raw characters, or mutated after encoding."""
    pairs = mutations.fields(random, valid)
    encoded = urlencode(pairs, errors="surrogatepass", quote_via=quote)
    match random.randrange(20):
        case 0:
            return "&".join("=".join(pair) for pair in pairs)[:4000]
        case 1:
            return mutations.text(random, encoded)[:4000]
    return encoded[:8000]


def form_body(random: Random, pairs: Sequence[tuple[str, str]]) -> tuple[str, bytes]:
    """Return the content type and body of a form, sometimes with an upload, and sometimes damaged."""
    kind, body = FORM, urlencode(pairs, errors="surrogatepass").encode()
    if random.random() < 0.2:
        kind, body = f"multipart/form-data; boundary={BOUNDARY}", multipart(pairs)
    if random.random() < 0.1:
        body = mutations.data(random, body)
    if random.random() < 0.05:
        kind = mutations.text(random, kind)[:500]
    return kind, body


def multipart(pairs: Sequence[tuple[str, str]], files: Mapping[str, tuple[str, str, bytes]] | None = None) -> bytes:
    """Return the body of a form with files, given as name, type and content by field."""
    parts = [(f'name="{name}"\r\n', value.encode("utf-8", "surrogatepass")) for name, value in pairs]
    for name, (filename, kind, content) in (files or {}).items():
        parts.append((f'name="{name}"; filename="{filename}"\r\nContent-Type: {kind}\r\n', content))
    lines = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n".encode("utf-8", "surrogatepass") + content
        for head, content in parts
    ]
    return b"\r\n".join([*lines, f"--{BOUNDARY}--\r\n".encode()])
