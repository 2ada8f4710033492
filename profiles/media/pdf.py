"""Check uploaded PDFs: they must be complete, without active content, and must not unpack to a huge size.

PDFs are never rendered here. Viewers have their own protection. These checks reject files that rely on active content or would
exhaust a viewer's memory.
"""

import re
import zlib
from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

START, END = b"%PDF-", b"%%EOF"
#: Readers look for the end marker in the last kilobyte.
END_WITHIN = 1024
#: A scanned document of 8 MB has a few thousand streams and unpacks to about 100 MB.
MAX_STREAMS, MAX_UNPACKED = 20_000, 300 * 1024 * 1024
#: Objects are also stored in compressed streams. In a long document, these are a few megabytes.
MAX_OBJECT_STREAM = 16 * 1024 * 1024
CHUNK = 64 * 1024

INCOMPLETE = _("Part of this file is missing. Download or export it again.")
ENCRYPTED = _("This PDF is protected with a password. Save it without a password.")
ACTIVE = _(
    "This PDF contains scripts, attached files or forms that send data. Print it to a new PDF, and choose the new file."
)
UNREADABLE = _("We cannot check how this PDF stores its content. Print it to a new PDF, and choose the new file.")
TOO_COMPLEX = _("This PDF needs too much memory to open. Print it to a new PDF, and choose the new file.")


def _any_of(*names: str) -> str:
    """Return a pattern for PDF names. Each character can also be written as # and two hexadecimal digits."""
    spelled = ("".join(f"(?:{char}|#(?i:{ord(char):02x}))" for char in name) for name in names)
    return rf"/(?:{'|'.join(spelled)})(?![A-Za-z0-9#])"


def _names(*names: str) -> re.Pattern[bytes]:
    return re.compile(_any_of(*names).encode())


_ACTIVE = _names(
    *("JavaScript", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "Rendition", "XFA"),
    *("ImportData", "SubmitForm", "GoToE"),
)
_ENCRYPT, _OBJECT_STREAM, _STRUCTURE = _names("Encrypt"), _names("ObjStm"), _names("ObjStm", "XRef")
_FILTER = _names("Filter")
#: White space and comments.
_SPACE = r"(?:[\s\0]|%[^\r\n]*+)*+"
_FLATE, _PACKED = _any_of("FlateDecode", "Fl"), _any_of("FlateDecode", "Fl", "LZWDecode", "LZW")
_TEXT = _any_of("ASCIIHexDecode", "AHx", "ASCII85Decode", "A85", "RunLengthDecode", "RL")
#: A stream that is compressed twice can grow by a factor of a million.
_COMPRESSED_TWICE = re.compile(f"{_PACKED}{_SPACE}(?:{_TEXT}{_SPACE})*{_PACKED}".encode())
#: A filter other than Flate. Signatures have an entry of the same name, for example /Adobe.PPKLite.
_OTHER_FILTER = re.compile(
    rf"{_any_of('Filter')}(?!{_SPACE}(?:{_FLATE}|\[{_SPACE}{_FLATE}{_SPACE}\]|/(?:Adobe|Entrust|CICI|VeriSign)\.))".encode()
)
_STREAM = re.compile(rb"(?<!end)stream\r?\n")


def check_pdf(content: bytes) -> None:
    """Check the bytes of a PDF.

    Raises:
        ValidationError: the file is incomplete or encrypted, has active content, cannot be checked, or is too large when
            unpacked. The message is shown to the user.
    """
    if END not in content[-END_WITHIN:]:
        raise ValidationError(INCOMPLETE, "incomplete")
    if _ENCRYPT.search(content):
        raise ValidationError(ENCRYPTED, "encrypted")
    if _COMPRESSED_TWICE.search(content):
        raise ValidationError(TOO_COMPLEX, "too_complex")
    if _ACTIVE.search(content) or any(_ACTIVE.search(objects) for objects in _unpack(content)):
        raise ValidationError(ACTIVE, "active")


def _unpack(content: bytes) -> Iterator[bytes]:
    """Unpack all streams, and yield the ones that contain objects. Their only filter must be Flate."""
    total, previous_end = 0, 0
    for number, match in enumerate(_STREAM.finditer(content)):
        end = content.find(b"endstream", match.end())
        end = len(content) if end == -1 else end
        has_objects = _has_packed_objects(content, previous_end, match.start())
        limit = MAX_OBJECT_STREAM if has_objects else MAX_UNPACKED - total
        size, unpacked = _inflate(content, match.end(), end, limit, is_kept=has_objects)
        total, previous_end = total + size, end
        if number >= MAX_STREAMS or size > limit or total > MAX_UNPACKED:
            raise ValidationError(TOO_COMPLEX, "too_complex")
        if has_objects:
            yield unpacked


def _has_packed_objects(content: bytes, start: int, end: int) -> bool:
    """Return whether the stream after `end` contains compressed objects. Objects that are not compressed are in `content`.

    Raises:
        ValidationError: the stream contains objects, or the positions of objects, and has a filter other than Flate.
    """
    if not _STRUCTURE.search(content, start, end):
        return False
    if _OTHER_FILTER.search(content, start, end):
        raise ValidationError(UNREADABLE, "unreadable")
    return bool(_OBJECT_STREAM.search(content, start, end) and _FILTER.search(content, start, end))


def _inflate(content: bytes, start: int, end: int, limit: int, *, is_kept: bool) -> tuple[int, bytes]:
    """Return the unpacked size and, if it is kept, the unpacked data. Stop above the limit and at invalid data."""
    inflater, size, kept = zlib.decompressobj(), 0, bytearray()
    for position in range(start, end, CHUNK):
        rest = content[position : min(position + CHUNK, end)]
        while rest and not inflater.eof and size <= limit:
            try:
                part = inflater.decompress(rest, CHUNK)
            except zlib.error:  # not compressed, or in a format that cannot grow much
                if is_kept:  # viewers may still read the part before the error
                    raise ValidationError(UNREADABLE, "unreadable") from None
                return size, bytes(kept)
            size, rest = size + len(part), inflater.unconsumed_tail
            if is_kept:
                kept += part
        if inflater.eof or size > limit:
            break
    return size, bytes(kept)
