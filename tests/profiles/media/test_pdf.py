"""PDFs are checked for active content and for sizes that exhaust a viewer. Nothing is rendered."""

import time
import zlib
from binascii import hexlify

import pytest
from django.core.exceptions import ValidationError

from profiles.media.pdf import MAX_STREAMS, check_pdf
from tests.helpers.documents import pdf_file, pdf_stream

MEGABYTE = 1024 * 1024
SCRIPT = b"<</S/JavaScript/JS(app.alert(1))>>"


def error_code(content: bytes) -> str:
    with pytest.raises(ValidationError) as caught:
        check_pdf(content)
    return str(caught.value.code)


def test_plain_documents_are_accepted() -> None:
    check_pdf(pdf_file())
    check_pdf(pdf_file(pdf_stream(b"BT (Hello) Tj ET" * 1000), b"<</S/URI/URI(https://example.com)>>"))
    check_pdf(pdf_file(b"<</Type/Sig/Filter/Adobe.PPKLite>>", pdf_stream(b"1 0 <<>>", b"/Type/ObjStm")))
    check_pdf(pdf_file(b"<</Type/ObjStm/N 1/First 4/Length 8>>\nstream\n1 0 <<>>\nendstream"))
    check_pdf(pdf_file(b"<</Length 9>>\nstream\nnot zlib!\nendstream", pdf_stream(b"1 0 <<>>", b"/Type/ObjStm")))


@pytest.mark.parametrize(
    "active",
    (
        SCRIPT,
        b"<</S/Java#53cript/JS(1)>>",
        b"<</S/#4a#61vaScript/JS(1)>>",
        b"<</S/Launch/F(cmd.exe)>>",
        b"<</Names<</EmbeddedFiles 9 0 R>>>>",
        b"<</AcroForm<</XFA 9 0 R>>>>",
        b"<</S/SubmitForm/F(https://example.com)>>",
        pdf_stream(SCRIPT, b"/Type/ObjStm/N 1/First 4"),
        pdf_stream(b" " * MEGABYTE + SCRIPT, b"/Type/Obj#53tm"),
    ),
    ids=lambda active: repr(active[:24]),
)
def test_active_content_is_rejected(active: bytes) -> None:
    assert error_code(pdf_file(active)) == "active"


PACKED = zlib.compress(SCRIPT)


@pytest.mark.parametrize(
    ("filters", "content"),
    (
        (b"/Filter/ASCIIHexDecode", hexlify(SCRIPT)),
        (b"/Filter [/ASCIIHexDecode /FlateDecode]", hexlify(PACKED)),
        (b"/F#69lter%comment\n/AHx", hexlify(SCRIPT)),
        (b"/Filter[/FlateDecode/ASCIIHexDecode]", zlib.compress(hexlify(SCRIPT))),
        (b"/Filter 9 0 R", PACKED),
        (b"/Filter[9 0 R]", PACKED),
        (b"/Filter/FlateDecode", PACKED[:-4] + b"0000"),
    ),
    ids=("hex", "hex and Flate", "escaped", "Flate and hex", "reference", "list with a reference", "checksum"),
)
def test_objects_that_cannot_be_checked_are_rejected(filters: bytes, content: bytes) -> None:
    stream = b"<</Type/ObjStm/N 1/First 4 %b/Length %d>>\nstream\n%b\nendstream"
    assert error_code(pdf_file(stream % (filters, len(content), content))) == "unreadable"


def test_positions_of_objects_in_another_encoding_are_rejected() -> None:
    assert error_code(pdf_file(b"<</Type/XRef/Filter/AHx/Length 4>>\nstream\n0a0b>\nendstream")) == "unreadable"


def test_longer_names_are_not_active() -> None:
    check_pdf(pdf_file(b"<</LaunchDate(2026)/XFAB 1/JavaScripts 2>>"))


@pytest.mark.parametrize(
    ("content", "code"),
    (
        (pdf_file()[:-8], "incomplete"),
        (pdf_file() + b"x" * 2000, "incomplete"),
        (pdf_file(b"<</Encrypt 9 0 R>>"), "encrypted"),
        (pdf_file(b"<</Filter[/FlateDecode /FlateDecode]>>"), "too_complex"),
        (pdf_file(b"<</Filter[/FlateDecod#65 /FlateDecode]>>"), "too_complex"),
        (pdf_file(b"<</Filter[/Fl%\n/AHx/LZWDecode]>>"), "too_complex"),
        (pdf_file(pdf_stream(bytes(17 * MEGABYTE), b"/Type/ObjStm")), "too_complex"),
        (pdf_file(*[pdf_stream(bytes(40 * MEGABYTE))] * 8), "too_complex"),
        (pdf_file(b"stream\n" * (MAX_STREAMS + 2)), "too_complex"),
    ),
    ids=(
        *("cut off", "data after the end", "encrypted", "compressed twice", "escaped name", "text in between"),
        *("objects", "total", "streams"),
    ),
)
def test_damaged_and_excessive_files_are_rejected(content: bytes, code: str) -> None:
    assert error_code(content) == code


def test_hostile_file_is_rejected_quickly() -> None:
    hostile = pdf_file(b"/#4a#61#76#61" * 600_000, *[pdf_stream(bytes(100 * MEGABYTE))] * 4)
    start = time.process_time()
    assert error_code(hostile) == "too_complex"
    assert time.process_time() - start < 5
