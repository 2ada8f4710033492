"""PDF files for uploads."""

import zlib


def pdf_file(*objects: bytes) -> bytes:
    """Return a PDF with one empty page and additional objects. Viewers accept it without a cross-reference table."""
    page = b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>"
    numbered = enumerate((b"<</Type/Catalog/Pages 2 0 R>>", *page, *objects), 1)
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % pair for pair in numbered)
    return b"%PDF-1.7\n" + body + b"trailer\n<</Root 1 0 R>>\n%%EOF\n"


def pdf_stream(content: bytes, dictionary: bytes = b"") -> bytes:
    """Return a compressed stream object."""
    packed = zlib.compress(content)
    return b"<<%b/Filter/FlateDecode/Length %d>>\nstream\n%b\nendstream" % (dictionary, len(packed), packed)
