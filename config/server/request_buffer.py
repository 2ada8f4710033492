"""Buffer an HTTP/1.1 request until it is complete, so that no thread is used while it is being received."""

import re
from collections.abc import Generator, Iterator
from tempfile import SpooledTemporaryFile

#: Maximum size of the request line and all headers, in bytes.
MAX_HEAD_BYTES = 128 * 1024
#: Maximum size of a body, in bytes. The views have lower limits and more specific error messages.
MAX_BODY_BYTES = 32 * 1024 * 1024
#: Maximum size of a body kept in memory, in bytes. A longer body is written to a temporary file.
MEMORY_BYTES = 256 * 1024
#: Maximum length of a chunk size line or a trailer, in bytes.
MAX_LINE_BYTES = 8 * 1024

_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?")
#: Headers that describe the body's transfer. The application gets the whole body and its length instead.
_FRAMING = (b"transfer-encoding", b"content-length", b"expect")

#: A generator that yields whenever it needs more bytes.
type Reader[T] = Generator[None, None, T]


class RefusedRequest(Exception):
    """The request cannot be read. `status` is the response's status line without the version."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class RequestBuffer:
    """A buffer for one request. Chunked bodies are decoded, so the application always gets a `Content-Length`.

    Django reads `Content-Length` bytes, and does not read a body without this header. Some proxies forward every body
    in chunks.
    """

    def __init__(self) -> None:
        self.head = b""
        self.body_bytes = 0
        #: The length declared by the client, or None for a chunked body.
        self.announced_bytes: int | None = None
        self.is_complete = False
        self._waiting = bytearray()
        self._framing: list[tuple[bytes, bytes]] = []
        self._body: SpooledTemporaryFile[bytes] | None = None
        self._reader = self._read()

    @property
    def has_started(self) -> bool:
        return bool(self.head or self._waiting)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for an interim response before it sends the body (RFC 9110, section 10.1.1)."""
        return not self.is_complete and self._values(b"expect") == [b"100-continue"]

    @property
    def rest(self) -> bytes:
        """Bytes of the connection's next request."""
        return bytes(self._waiting)

    def feed(self, data: bytes) -> None:
        """Add received bytes.

        Raises:
            RefusedRequest: the request is malformed or too large.
        """
        self._waiting += data
        if not self.is_complete:
            self.is_complete = next(self._reader, "done") == "done"

    def pieces(self) -> Iterator[bytes]:
        """Yield the complete request, head first."""
        yield self._head_with_length() + b"\r\n\r\n"
        if self._body is not None:
            self._body.seek(0)
            while piece := self._body.read(64 * 1024):
                yield piece

    def close(self) -> None:
        if self._body is not None:
            self._body.close()

    def _head_with_length(self) -> bytes:
        if all(name == b"content-length" for name, _ in self._framing):
            return self.head
        lines = [line for line in self.head.split(b"\r\n") if _name(line) not in _FRAMING]
        return b"\r\n".join([*lines, b"Content-Length: %d" % self.body_bytes])

    def _read(self) -> Reader[None]:
        self.head = yield from self._take_until(b"\r\n\r\n", MAX_HEAD_BYTES, "431 Request Header Fields Too Large")
        self._framing = _framing_headers(self.head)
        self.announced_bytes = self._announced()
        if self.announced_bytes is None:
            yield from self._read_chunks()
        else:
            yield from self._store(self.announced_bytes)

    def _announced(self) -> int | None:
        lengths, encodings = self._values(b"content-length"), self._values(b"transfer-encoding")
        if encodings == [b"chunked"] and not lengths:
            return None
        # Reject repeated lengths, both headers, and other encodings, which are used for request smuggling (RFC 9112,
        # 6.3).
        if encodings or len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
            raise RefusedRequest("400 Bad Request")
        return int(lengths[0]) if lengths else 0

    def _read_chunks(self) -> Reader[None]:
        while size := (yield from self._chunk_size()):
            yield from self._store(size)
            if (yield from self._line()) != b"":
                raise RefusedRequest("400 Bad Request")
        while (yield from self._line()):
            pass  # Ignore trailers.

    def _chunk_size(self) -> Reader[int]:
        size = _CHUNK_SIZE.fullmatch((yield from self._line()))
        if not size:
            raise RefusedRequest("400 Bad Request")
        return int(size[1], 16)

    def _line(self) -> Reader[bytes]:
        return (yield from self._take_until(b"\r\n", MAX_LINE_BYTES, "400 Bad Request"))

    def _take_until(self, end: bytes, limit: int, too_long: str) -> Reader[bytes]:
        searched = 0
        while (found := self._waiting.find(end, searched)) < 0:
            if len(self._waiting) > limit:
                raise RefusedRequest(too_long)
            # Do not search the same bytes again when data arrives slowly.
            searched = max(len(self._waiting) - len(end), 0)
            yield
        taken = bytes(self._waiting[:found])
        del self._waiting[: found + len(end)]
        return taken

    def _store(self, size: int) -> Reader[None]:
        if self.body_bytes + size > MAX_BODY_BYTES:
            raise RefusedRequest("413 Content Too Large")
        end = self.body_bytes + size
        while self.body_bytes < end:
            if not self._waiting:
                yield
            self._append(self._waiting[: end - self.body_bytes])

    def _append(self, piece: bytearray) -> None:
        if self._body is None:
            self._body = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115  # closed with the buffer
        self._body.write(piece)
        del self._waiting[: len(piece)]
        self.body_bytes += len(piece)

    def _values(self, name: bytes) -> list[bytes]:
        return [value for each, value in self._framing if each == name]


def _framing_headers(head: bytes) -> list[tuple[bytes, bytes]]:
    lowered = head.lower()
    if not any(name in lowered for name in _FRAMING):
        return []
    lines = lowered.split(b"\r\n")[1:]
    return [(_name(line), line.partition(b":")[2].strip(b" \t")) for line in lines if _name(line) in _FRAMING]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
