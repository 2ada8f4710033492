"""Requests are buffered until they are complete, however their bytes are split."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.server.request_buffer import MAX_BODY_BYTES, MAX_HEAD_BYTES, RefusedRequest, RequestBuffer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\nhello \r\n5;name=value\r\nworld\r\n0\r\nTrailer: dropped\r\n\r\n"
)


_opened: list[RequestBuffer] = []


@pytest.fixture(autouse=True, scope="module")
def close_buffers() -> Iterator[None]:
    yield
    for buffer in _opened:
        buffer.close()


def read_all(*pieces: bytes) -> RequestBuffer:
    buffer = RequestBuffer()
    _opened.append(buffer)
    for piece in pieces:
        buffer.feed(piece)
    return buffer


def forwarded_request(buffer: RequestBuffer) -> bytes:
    return b"".join(buffer.pieces())


def test_request_without_a_body_is_passed_on_unchanged() -> None:
    assert forwarded_request(read_all(GET)) == GET


def test_body_is_awaited() -> None:
    buffer = read_all(POST[:-1])
    assert not buffer.is_complete
    buffer.feed(POST[-1:])
    assert buffer.is_complete
    assert forwarded_request(buffer) == POST


def test_chunked_body_is_decoded() -> None:
    assert forwarded_request(read_all(CHUNKED)) == POST


def test_empty_chunked_body_has_the_length_zero() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert forwarded_request(read_all(head + b"0\r\n\r\n")) == b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"


@given(st.sampled_from([GET, POST, CHUNKED]), st.lists(st.integers(0, len(CHUNKED)), max_size=12))
def test_result_does_not_depend_on_chunk_boundaries(request_bytes: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(request_bytes)) for cut in cuts), len(request_bytes)]
    pieces = [request_bytes[start:end] for start, end in pairwise(places)]
    buffer = read_all(*pieces)
    assert buffer.is_complete
    assert forwarded_request(buffer) == forwarded_request(read_all(request_bytes))
    assert buffer.rest == b""


@pytest.mark.parametrize("first", (GET, POST, CHUNKED))
def test_bytes_of_the_next_request_are_kept(first: bytes) -> None:
    buffer = read_all(first + POST)
    assert buffer.is_complete
    assert buffer.rest == POST


def test_client_that_expects_100_continue_is_recognised() -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    assert read_all(head).expects_continue
    assert not read_all(head, b"ab").expects_continue
    assert b"Expect" not in forwarded_request(read_all(head, b"ab"))


@pytest.mark.parametrize(
    ("head", "status"),
    (
        pytest.param(b"Content-Length: 1\r\nContent-Length: 2", "400", id="two lengths"),
        pytest.param(b"Content-Length: 1\r\nTransfer-Encoding: chunked", "400", id="length and chunks"),
        pytest.param(b"Transfer-Encoding: gzip, chunked", "400", id="another encoding"),
        pytest.param(b"Content-Length: -1", "400", id="negative length"),
        pytest.param(b"Content-Length: 1e3", "400", id="length that is not a number"),
        pytest.param(b"Content-Length: %d" % (MAX_BODY_BYTES + 1), "413", id="too large"),
        pytest.param(b"X: %s" % (b"x" * MAX_HEAD_BYTES), None, id="long head that ends"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400", id="chunk without a size"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "400", id="chunk longer than its size"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", "413", id="chunk that is too large"),
    ),
)
def test_malformed_request_is_rejected(head: bytes, status: str | None) -> None:
    request_bytes = b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n"
    if status is None:
        assert read_all(request_bytes).is_complete
    else:
        with pytest.raises(RefusedRequest, match=f"^{status} "):
            read_all(request_bytes)


def test_endless_head_is_rejected() -> None:
    with pytest.raises(RefusedRequest, match=r"^431 "):
        read_all(*[b"x" * 64 * 1024] * 3)


def test_large_body_is_kept_in_a_file() -> None:
    body = bytes(range(256)) * 4096
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    assert forwarded_request(read_all(head, *pieces)) == head + body
