"""Parse image files: where a JPEG ends, which PNG chunks are relevant, and which formats are not supported."""

import re
from dataclasses import dataclass

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"
#: Each scan of a progressive JPEG takes 60 bytes of the file and a pass over the whole image (25 ms at 40 megapixels).
#: Cameras and editors write about ten.
MAX_SCANS = 50
#: A JPEG of 8 MB with an ICC profile and previews has about 200.
MAX_SEGMENTS = 2_000
#: A PNG of 8 MB has about 1,000.
MAX_CHUNKS = 20_000
#: The chunks that affect how an image without animation looks. Text chunks can have any size.
PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"IDAT", b"IEND"))
#: The first bytes of formats that people upload and that are not supported.
UNSUPPORTED = (
    ("HEIC", re.compile(rb".{4}ftyp(hei[cxms]|hev[cm]|mif1|msf1)", re.DOTALL)),
    ("AVIF", re.compile(rb".{4}ftypavi[fs]", re.DOTALL)),
    ("TIFF", re.compile(rb"II\*\0|MM\0\*")),
    ("BMP", re.compile(rb"BM.{4}\0{4}", re.DOTALL)),
    ("SVG", re.compile(rb"\s*(<\?xml[^>]{0,200}>\s*)?<svg[\s/>]", re.IGNORECASE)),
    ("PDF", re.compile(rb"%PDF-")),
)

#: A marker in image data, where 0xFF bytes are followed by zero, or by one of eight restart markers.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")


class TooComplexError(Exception):
    """The file would take too long to decode."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """The first image of a JPEG file, without the videos and previews that cameras append.

    It always has an end marker.
    """

    content: bytes
    is_truncated: bool


def read_jpeg(content: bytes) -> Jpeg:
    """Return a JPEG file's first image.

    Raises:
        TooComplexError: it has too many scans or segments.
    """
    position, scans = len(JPEG_START), 0
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(content, position)
        if marker is None:
            return Jpeg(content + JPEG_END, is_truncated=scans > 0)
        kind, position = marker[1], marker.end()
        if kind == JPEG_END[1:]:
            return Jpeg(content[:position], is_truncated=False)
        scans += kind == b"\xda"
        if scans > MAX_SCANS:
            break
        if kind not in b"\x01\xd8":  # all other segments have a length
            position += max(2, int.from_bytes(content[position : position + 2]))
    raise TooComplexError


def strip_png(content: bytes) -> bytes:
    """Return a PNG without text, animation and trailing data.

    Raises:
        TooComplexError: it has too many chunks.
    """
    kept, position = [PNG_START], len(PNG_START)
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(content[position : position + 4]), content[position + 4 : position + 8]
        end = position + length + 12
        if kind in PNG_CHUNKS:
            kept.append(content[position:end])
        if kind == b"IEND" or end >= len(content):
            return b"".join(kept)
        position = end
    raise TooComplexError


def unsupported_format(content: bytes) -> str | None:
    return next((name for name, start in UNSUPPORTED if start.match(content[:1000])), None)
